"""Damaged bodies of REST requests, and folders of versions with whatever names."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.protobuf import meta_graph_pb2

from serving.servables.request_errors import RequestError
from serving.server.rest_json import request_from_json
from tests.fuzz.damage import FUZZ, VALUES, damaged_bytes, damaged_json
from tfseg.io.version_folders import numbered_versions, version_folders

pytestmark = pytest.mark.slow

DT_STRING, DT_FLOAT = 7, 1


def signature(**inputs):
    made = meta_graph_pb2.SignatureDef()
    for name, dtype in inputs.items():
        made.inputs[name].dtype = dtype
        made.inputs[name].tensor_shape.dim.add().size = -1
    return made


SIGNATURES = {
    "serving_default": signature(image_bytes=DT_STRING),
    "thresholds": signature(image_bytes=DT_STRING, score_threshold=DT_FLOAT),
}
PHOTO = {"b64": base64.b64encode(b"photo").decode()}
BODIES = (
    {"instances": [PHOTO, {"image_bytes": PHOTO}]},
    {"inputs": {"image_bytes": [PHOTO]}, "signature_name": "serving_default"},
    {
        "signature_name": "thresholds",
        "instances": [{"image_bytes": PHOTO, "score_threshold": 0.5}],
    },
)


def answer(body: bytes):
    try:
        request, _ = request_from_json(body, SIGNATURES)
    except RequestError as error:
        assert error.code.value[0] == 3  # INVALID_ARGUMENT
        assert len(str(error)) < 1000
        return
    assert request.model_spec.signature_name in SIGNATURES
    assert set(request.inputs) == set(SIGNATURES[request.model_spec.signature_name].inputs)


@FUZZ
@given(content=st.one_of(*map(damaged_json, BODIES), VALUES))
def test_values_of_a_rest_body(content):
    answer(json.dumps(content).encode())


@FUZZ
@given(body=st.one_of(*(damaged_bytes(json.dumps(body).encode()) for body in BODIES)))
def test_bytes_of_a_rest_body(body):
    answer(body)


NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=24
) | st.integers(0, 10**25).map(str)


@FUZZ
@given(names=st.sets(NAMES.filter(lambda name: name not in (".", "..")), max_size=6))
def test_version_folders(tmp_path_factory, names):
    base_path = tmp_path_factory.mktemp("versions")
    for name in names:
        if len(name.encode()) < 256:
            (base_path / name).mkdir()
    found = version_folders(base_path)
    assert list(found) == sorted(found)
    for version, path in found.items():
        assert 0 <= version < 2**63 and int(path.name) == version and path.is_dir()
    plain = {int(n) for n in names if n.isascii() and n.isdigit() and int(n) < 2**63}
    assert set(found) == plain
    if not found:
        with pytest.raises(ValueError, match="has no numbered version folder"):
            numbered_versions(base_path)
