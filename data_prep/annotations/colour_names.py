"""The colour names of a garment, from the pixels of its mask."""

import cv2
import numpy as np

from data_prep.annotations import masks
from tfseg.structures.colour_terms import colours_of_pixels

_EDGE_PIXELS = 2  # of the mask's border, where the photo shows what is beside the garment too


def garment_colours(photo_rgb: np.ndarray, rle: dict) -> tuple[str, ...]:
    """Names the colours of a garment.

    Args:
        photo_rgb: uint8 [height, width, 3].
        rle: the garment's mask, compressed COCO RLE of the photo's size, at least one pixel.

    Returns:
        One or two of COLOUR_NAMES, the commonest first.
    """
    box = masks.bbox_from_rle(rle)
    rows, columns = slice(int(box.ymin), int(box.ymax)), slice(int(box.xmin), int(box.xmax))
    mask = masks.mask_from_rle(rle)[rows, columns]
    kernel = np.ones((2 * _EDGE_PIXELS + 1,) * 2, np.uint8)
    inner = cv2.erode(mask, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    if 4 * np.count_nonzero(inner) < np.count_nonzero(mask):  # a belt, a strap
        inner = mask
    return colours_of_pixels(photo_rgb[rows, columns][inner > 0])
