"""Each garment of a photo as a picture of its own, on a transparent ground."""

import re
from collections import Counter
from collections.abc import Iterable

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from tfseg.structures.detections import Detections, mask_from_rle

_MARGIN = 4  # pixels around the mask, for its soft edge
_SPECK = 0.01  # of the largest part's area: smaller parts are a mask head's noise
_ATTRIBUTES_BYTES = 60  # of a file's name, for which most file systems take 255


def cut_out(image_rgb: np.ndarray, rle: dict) -> np.ndarray:
    """Cuts one mask out of a photo.

    Args:
        image_rgb: uint8 [height, width, 3].
        rle: COCO RLE of the same size, not empty.

    Returns:
        uint8 [rows, columns, 4] RGBA around the mask; the edge is soft over about two pixels, and
        specks and pinholes of the mask are gone.
    """
    x, y, width, height = (int(side) for side in coco_mask.toBbox(rle))
    top, left = max(0, y - _MARGIN), max(0, x - _MARGIN)
    bottom = min(image_rgb.shape[0], y + height + _MARGIN)
    right = min(image_rgb.shape[1], x + width + _MARGIN)
    mask = _without_specks(mask_from_rle(rle)[top:bottom, left:right])
    mask = 1 - _without_specks(1 - mask, _SPECK * int(mask.sum()))
    # Where a garment is cut off by the photo's edge, its edge stays hard.
    alpha = cv2.GaussianBlur(255 * mask, (0, 0), 0.8, borderType=cv2.BORDER_REPLICATE)
    return np.dstack([image_rgb[top:bottom, left:right], alpha])


def _without_specks(mask: np.ndarray, least: float | None = None) -> np.ndarray:
    """Removes a mask's connected parts of fewer than `least` pixels; a share of the largest's."""
    number, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA]
    if number < 2:
        return mask
    kept = areas >= (_SPECK * areas[1:].max() if least is None else least)
    kept[0] = False  # the ground
    return kept[labels].astype(np.uint8)


def cutout_names(detections: Detections) -> list[str]:
    """Returns a name for each detection, fit for a file's.

    "dress", or "footwear-1", "footwear-2" where several; with what it is said to have, the surest
    first, as far as 60 bytes go: "top-2_short-sleeve_striped".
    """
    safe = [name.replace("/", "-").replace("\\", "-") for name in detections.category_names]
    total = Counter(safe)
    seen: Counter[str] = Counter()
    said = detections.attributes or [()] * len(safe)
    names = []
    for name, attributes in zip(safe, said, strict=True):
        seen[name] += 1
        numbered = f"{name}-{seen[name]}" if total[name] > 1 else name
        names.append(numbered + _attributes_part(attribute for attribute, _ in attributes))
    return names


def _attributes_part(attributes: Iterable[str]) -> str:
    """Such as "_short-sleeve_striped": letters and digits of any script, hyphens for all else."""
    part = ""
    for attribute in attributes:
        word = re.sub(r"[\W_]+", "-", attribute).strip("-")
        if word and len(f"{part}_{word}".encode()) <= _ATTRIBUTES_BYTES:
            part += f"_{word}"
    return part
