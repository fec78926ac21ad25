"""How inputs are damaged: values of a json exchanged, bytes of a file changed."""

import copy
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# Some seconds each; `TFSEG_FUZZ_EXAMPLES=3000 python -m pytest tests/fuzz` for half an hour.
FUZZ = settings(
    max_examples=int(os.environ.get("TFSEG_FUZZ_EXAMPLES", "60")),
    derandomize="TFSEG_FUZZ_EXAMPLES" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

NUMBERS = (
    st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400]) | st.floats()
)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


def _places(value, path=()):
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from _places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _places(one, (*path, index))


@st.composite
def damaged_json(draw, whole):
    """A json with one to three of its values exchanged, taken away or doubled."""
    damaged = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        places = [path for path in _places(damaged) if path]
        if not places:
            return draw(VALUES)
        *above, last = draw(st.sampled_from(places))
        parent = damaged
        for key in above:
            parent = parent[key]
        kind = draw(st.sampled_from(["exchange", "take away", "double"]))
        if kind == "exchange":
            parent[last] = draw(VALUES)
        elif kind == "take away":
            del parent[last]
        elif isinstance(parent, list):
            parent.insert(last, copy.deepcopy(parent[last]))
    return damaged


@st.composite
def damaged_bytes(draw, whole: bytes):
    """A file with some of its bytes exchanged, taken away or put in."""
    damaged = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        near_start = st.integers(0, min(300, len(damaged)))  # headers
        start = draw(near_start | st.integers(0, len(damaged)))
        length = draw(st.sampled_from([0, 1, 2, 4, 16, 300]))
        new = draw(
            st.binary(max_size=8)
            | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\xff\xd8", b"\xff\xc0", b"\xff\xfe", b","])
        )
        damaged[start : start + length] = new
    cut = draw(st.none() | st.integers(0, len(damaged)))
    return bytes(damaged[:cut])
