"""Randomly damaged raw files: each ends in a clear error or counted skips, never a wrong shard.

The full proof, of as many as one likes:
    TFSEG_DAMAGED_INPUTS=2000 python -m pytest tests/data_prep/test_raw_damage.py
"""

import os

import pytest

from data_prep.prepared import open_prepared
from tests.data_prep.damage_cases import run_case

pytestmark = pytest.mark.slow

NUM_CASES = int(os.environ.get("TFSEG_DAMAGED_INPUTS", "200"))
# Only what a reader cannot know: a number in a text that is as good as the one before.
PLAUSIBLE = ("strange_value", "strange_cell", "flip_bytes of annotations.json")


@pytest.mark.parametrize("seed", range(NUM_CASES))
def test_damaged_raw_files_end_well(tmp_path, seed):
    outcome = run_case(seed, tmp_path)

    if outcome.error is None:
        assert outcome.num_photos > 0
        allowed = 1 if any(kind in outcome.damage for kind in PLAUSIBLE) else 0
        assert len(outcome.strange_photos) <= allowed, outcome
        return
    with pytest.raises(ValueError, match="no prepared data set|incomplete|no such folder"):
        open_prepared(tmp_path / "prepared")
    names = [str(tmp_path), *(path.name for path in (tmp_path / "raw").rglob("*"))]
    assert any(name in outcome.error for name in names) or "photos cannot be used" in outcome.error
    assert len(outcome.error) < 900
    assert "Traceback" not in outcome.error
