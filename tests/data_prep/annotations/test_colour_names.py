import numpy as np

from data_prep.annotations import masks
from data_prep.annotations.colour_names import garment_colours


def test_garment_colours_are_of_the_mask_without_its_edge():
    photo = np.full((40, 40, 3), (40, 140, 60), np.uint8)
    photo[10:30, 10:30] = (200, 20, 30)
    mask = np.zeros((40, 40), np.uint8)
    mask[8:32, 8:32] = 1  # two pixels too wide
    assert garment_colours(photo, masks.rle_from_mask(mask)) == ("red",)


def test_garment_colours_of_a_strap_are_of_all_its_pixels():
    photo = np.full((40, 40, 3), (40, 140, 60), np.uint8)
    photo[:, 20:23] = (20, 30, 90)
    mask = np.zeros((40, 40), np.uint8)
    mask[:, 20:23] = 1
    assert garment_colours(photo, masks.rle_from_mask(mask)) == ("blue",)
