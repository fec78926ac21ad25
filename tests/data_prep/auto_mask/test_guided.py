import cv2
import numpy as np
import pytest

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.guided import GuidedCut

SIZE_HW = (480, 360)


def iou(mask, truth):
    return np.count_nonzero(mask & truth) / np.count_nonzero(mask | truth)


@pytest.fixture(scope="module")
def skirt():
    """A skirt on a hook before a wall, and its mask; the hook is as dark as the skirt."""
    rng = np.random.default_rng(3)
    truth = np.zeros(SIZE_HW, np.uint8)
    cv2.fillPoly(truth, [np.array([(130, 140), (230, 140), (290, 400), (70, 400)])], 1)
    photo = np.full((*SIZE_HW, 3), (214, 220, 222), np.float32)
    photo[truth > 0] = (60, 30, 30)
    cv2.rectangle(photo, (176, 20), (183, 139), (60, 30, 30), -1)
    photo += rng.normal(0, 4, photo.shape)
    return photo.clip(0, 255).astype(np.uint8), truth


def coarse(truth):
    """As a model sees it: in 28 cells of its box, a cell too wide."""

    def garment_mask(photo_rgb):
        assert photo_rgb.flags["C_CONTIGUOUS"] and photo_rgb.dtype == np.uint8
        small = cv2.resize(truth.astype(np.float32), (40, 52), interpolation=cv2.INTER_AREA)
        wide = cv2.resize(small, photo_rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return (wide > 0.2).astype(np.uint8)

    return garment_mask


def test_what_the_model_does_not_know_is_left_out(skirt):
    from data_prep.auto_mask.cutout.cut import cut

    photo, truth = skirt
    assert cut(photo).mask[30:110, 176:184].mean() > 0.9, "the hook is to be taken along by it"

    found = GuidedCut(coarse(truth))(photo)

    assert not found.mask[:125].any()
    assert iou(found.mask, truth) > 0.97
    assert found.confidence.score >= GOOD and found.confidence.reasons == ()
    assert len(found.products) == 1
    assert found.mask.shape == SIZE_HW and found.mask.dtype == np.uint8


def test_cuts_that_disagree_are_not_good(skirt):
    photo, truth = skirt
    upper = truth.copy()
    upper[300:] = 0

    found = GuidedCut(coarse(upper))(photo)

    assert found.confidence.score < GOOD
    assert found.confidence.reasons == ("engines_disagree",)
    assert found.mask[200:280].any()


def test_nothing_that_the_model_knows_is_never_good(skirt):
    photo, truth = skirt

    found = GuidedCut(lambda shown: np.zeros(shown.shape[:2], np.uint8))(photo)

    assert found.confidence.score <= 0.5 and "no_garment_seen" in found.confidence.reasons
    assert iou(found.mask, truth) > 0.9  # a person may accept it


def test_a_garment_that_fills_the_photo_and_a_tiny_one():
    photo = np.full((90, 70, 3), 120, np.uint8)
    everything = GuidedCut(lambda shown: np.ones(shown.shape[:2], np.uint8))(photo)
    assert everything.mask.shape == (90, 70)

    def dot(shown):
        mask = np.zeros(shown.shape[:2], np.uint8)
        mask[40:42, 30:32] = 1
        return mask

    assert GuidedCut(dot)(photo).confidence.score < GOOD
