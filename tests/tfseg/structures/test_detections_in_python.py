"""What one does with detections in a notebook: arrays, pictures, other libraries."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections

BELT = np.zeros((6, 8), np.uint8)
BELT[2:4, 1:7] = 1


def belt(score=0.75) -> Detections:
    rle = coco_mask.encode(np.asfortranarray(BELT))
    return Detections(
        boxes_yxyx=np.float32([[2, 1, 4, 7]]),
        scores=np.float32([score]),
        category_ids=np.int32([2]),
        category_names=("belt",),
        rles=({"size": [6, 8], "counts": rle["counts"].decode()},),
        image_size_hw=(6, 8),
    )


def test_masks_are_bool_arrays():
    masks = belt().masks
    assert masks.dtype == bool and masks.shape == (1, 6, 8)
    np.testing.assert_array_equal(masks[0], BELT > 0)


def test_draw_changes_the_garment_and_not_the_corner():
    photo = np.full((6, 8, 3), 200, np.uint8)
    picture = belt().draw(photo, show_labels=False, show_boxes=False)
    factor = picture.shape[0] // 6
    assert (picture[3 * factor, 4 * factor] != 200).any()
    assert (picture[-1, -1] == 200).all()


def test_cutouts_are_named_and_transparent_outside():
    cutouts = belt().cutouts(np.full((6, 8, 3), 200, np.uint8))
    assert list(cutouts) == ["belt"]
    assert cutouts["belt"].shape == (6, 8, 4)
    assert cutouts["belt"][0, 0, 3] < 8 and cutouts["belt"][3, 4, 3] > 128


def test_to_coco():
    (result,) = belt().to_coco(image_id=7)
    assert result["image_id"] == 7 and result["category_name"] == "belt"
    assert result["bbox"] == [1, 2, 6, 2] and result["score"] == 0.75


def test_to_supervision():
    supervision = pytest.importorskip("supervision", reason="an option of the user's")
    found = belt().to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == [[1, 2, 7, 4]] and found.class_id.tolist() == [1]
    assert found.data["class_name"].tolist() == ["belt"] and found.mask[0].sum() == 12
