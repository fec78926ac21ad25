import dataclasses

import numpy as np
from pycocotools import mask as coco_mask

from tests.tfseg.structures.test_mask_geometry import detections_of
from tfseg.structures.cutouts import cut_out, cutout_names


def test_cut_out_is_the_garment_on_a_transparent_ground():
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3)).astype(np.uint8)
    mask = np.zeros((60, 80), np.uint8, order="F")
    mask[20:40, 30:50] = 1

    cutout = cut_out(image, coco_mask.encode(mask))

    assert cutout.shape == (28, 28, 4)  # four pixels around
    np.testing.assert_array_equal(cutout[..., :3], image[16:44, 26:54])
    assert cutout[14, 14, 3] == 255 and cutout[0, 0, 3] == 0
    edge = cutout[14, :, 3].astype(int)
    assert (np.diff(edge[:14]) >= 0).all() and 100 < edge[4] < 255  # soft, from outside to inside


def test_cut_out_stays_hard_where_the_photo_ends():
    mask = np.zeros((60, 80), np.uint8, order="F")
    mask[:10, :10] = 1

    cutout = cut_out(np.zeros((60, 80, 3), np.uint8), coco_mask.encode(mask))

    assert cutout.shape == (14, 14, 4)
    assert cutout[0, 0, 3] == 255


def test_cut_out_leaves_specks_and_pinholes_out():
    mask = np.zeros((80, 80), np.uint8, order="F")
    mask[20:60, 20:60] = 1
    mask[40, 40] = 0  # a pinhole
    mask[25:35, 45:55] = 0  # a hole that is meant
    mask[5, 5] = 1  # a speck
    mask[64:70, 20:26] = 1  # a part of its own

    alpha = cut_out(np.zeros((80, 80, 3), np.uint8), coco_mask.encode(mask))[..., 3]

    top, left = 1, 1  # the window starts four pixels before the speck
    assert alpha[5 - top, 5 - left] == 0
    assert alpha[40 - top, 40 - left] == 255
    assert alpha[30 - top, 50 - left] == 0
    assert alpha[67 - top, 23 - left] == 255


def test_cutout_names_count_where_there_are_several():
    three = dataclasses.replace(
        detections_of((0.9, 0, 0, 2, 2), (0.8, 4, 4, 6, 6), (0.7, 0, 4, 2, 6)),
        category_names=("footwear", "scarf/tie", "footwear"),
    )

    assert cutout_names(three) == ["footwear-1", "scarf-tie", "footwear-2"]


def test_cutout_names_tell_attributes_in_short_and_safely():
    long = "x" * 40
    three = dataclasses.replace(
        detections_of((0.9, 0, 0, 2, 2), (0.8, 4, 4, 6, 6), (0.7, 0, 4, 2, 6)),
        category_names=("top", "scarf/tie", "top"),
        attributes=(
            (("short sleeve", 0.9), ("../no: neck?", 0.8), ("塩", 0.7), ("\udcff", 0.6)),
            (),
            ((long, 0.9), (long, 0.8), ("red", 0.7)),
        ),
    )

    assert cutout_names(three) == [
        "top-1_short-sleeve_no-neck_塩", "scarf-tie", f"top-2_{long}_red"
    ]  # fmt: skip
