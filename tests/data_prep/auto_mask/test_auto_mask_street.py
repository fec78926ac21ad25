"""The quality of automatic masks on garments of real photos, set on every kind of background."""

import os
from pathlib import Path

import numpy as np
import pytest

from data_prep.auto_mask import evaluate
from data_prep.auto_mask.cutout.cut import cut
from tests.benchmarks import product_photos

REPO_DIR = Path(__file__).resolve().parents[3]
STREET_DIR = (REPO_DIR / os.environ.get("TFSEG_STREET_DIR", "../shared/street")).resolve()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STREET_DIR.is_dir(), reason=f"the real photos are not at {STREET_DIR}"),
]


def test_masks_of_real_garments():
    """Each kind of background with eight garments that nothing was tuned on."""
    rng = np.random.default_rng(2)
    garments = list(product_photos.read_garments(STREET_DIR, half=1))
    judged = []
    for index, garment in enumerate(rng.permutation(len(garments))[:40]):
        _, photo, mask = garments[garment]
        kind = product_photos.KINDS[index % 5]
        composed, truth = product_photos.compose(photo, mask, kind, rng)
        found = cut(composed)
        name = f"{kind}_{index}.jpg"
        truth = (truth > 0).astype(np.uint8)
        judged.append(evaluate.judge(name, found.mask, truth, found.confidence.score))
    print(evaluate.table(judged))
    assert np.mean([one.iou for one in judged]) > 0.96
    for kind in product_photos.KINDS:
        assert np.mean([one.iou for one in judged if one.kind == kind]) > 0.93
    assert np.mean([one.iou > 0.9 for one in judged]) >= 0.93
    good = [one for one in judged if one.is_good]
    assert len(good) >= 0.85 * len(judged)
    assert np.mean([one.iou > 0.9 for one in good]) >= 0.97  # one of 40 is 2.5 %
    assert np.mean([one.boundary_f for one in judged]) > 0.9
