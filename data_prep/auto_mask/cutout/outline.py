"""The outline at the photo's own size: where a pixel is half product, half background."""

import cv2
import numpy as np

from data_prep.auto_mask.cutout.background import channel_sum
from data_prep.auto_mask.cutout.cues import disk
from data_prep.auto_mask.cutout.solve import local_shade, resize

_MARGIN = 24  # pixels around the product that are looked at
_INNER = 3  # pixels an outline may move inwards at a time
_WINDOW = 2.5
_MIN_CONTRAST = 12.0  # grey levels, below it the outline stays


def refine(image: np.ndarray, color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Moves the outline to where the pixels are half of each side's own color.

    Along an edge, compression, blur and resampling mix both sides; a cut by likelihood counts
    every mixed pixel as product, since it is not the background's color.

    Args:
        image: uint8 [height, width, 3], BGR, the photo.
        color: float32 [h, w, 3], the background's color at any size.
        mask: uint8 [height, width] of 0 and 1.

    Returns:
        uint8 [height, width] of 0 and 1.
    """
    if not mask.any():
        return mask
    height, width = mask.shape
    x, y, box_width, box_height = cv2.boundingRect(mask)
    box = np.s_[
        max(0, y - _MARGIN) : y + box_height + _MARGIN,
        max(0, x - _MARGIN) : x + box_width + _MARGIN,
    ]
    near, near_image = mask[box], image[box].astype(np.float32)
    near_color = resize(color, (width, height))[box]
    refined = mask.copy()
    refined[box] = _move(near_image, near_color, _move(near_image, near_color, near))
    return refined


def outline_contrast(image: np.ndarray, color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The color difference between the product and the background along an outline.

    Returns:
        float32 [number of outline pixels], grey levels.
    """
    _, contrast = _blend(image, color, mask)
    outline = (mask > 0) & (cv2.erode(mask, disk(1)) == 0)
    return contrast[outline]


def _move(image: np.ndarray, color: np.ndarray, mask: np.ndarray) -> np.ndarray:
    share, contrast = _blend(image, color, mask)
    share = cv2.GaussianBlur(share, (0, 0), 0.6)
    movable = (contrast > _MIN_CONTRAST) & (cv2.erode(mask, disk(_INNER)) == 0)
    movable &= cv2.dilate(mask, disk(1)) > 0
    moved = np.where(movable, share > 0.5, mask > 0).astype(np.uint8)
    # What is taken away hangs together with the background: no holes are made.
    num_labels, labels = cv2.connectedComponents(1 - moved, connectivity=4)
    is_outside = np.zeros(num_labels, bool)
    is_outside[np.unique(labels[mask == 0])] = True
    is_outside[0] = False
    return (~is_outside[labels]).astype(np.uint8)


def _blend(image: np.ndarray, color: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's share of product, and the local contrast it is measured on (grey levels)."""
    known = (cv2.dilate(mask, disk(3)) == 0).astype(np.float32)
    shade = channel_sum(image * color) / channel_sum(color * color)
    difference = image - color * local_shade(shade, known, 3)[..., None]
    inner, skin = cv2.erode(mask, disk(2)), cv2.erode(mask, disk(1))
    weight = inner + np.float32(1e-3) * skin + np.float32(1e-5) * mask
    total = cv2.GaussianBlur(weight, (0, 0), _WINDOW) + 1e-9
    product = cv2.GaussianBlur(difference * weight[..., None], (0, 0), _WINDOW) / total[..., None]
    share = channel_sum(difference * product) / np.maximum(channel_sum(product * product), 1)
    length = np.sqrt(channel_sum(difference * difference))
    contrast = cv2.GaussianBlur(length * weight, (0, 0), _WINDOW) / total
    # A fringe of another color than the product's inside is product as well.
    return np.maximum(share, length / np.maximum(contrast, 1)), contrast
