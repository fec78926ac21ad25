"""Writes tiny product photos with masks, in the folder form."""

from pathlib import Path

import cv2
import numpy as np

from tests.data_prep.raw_modanet import draw_jpeg


def write_product(raw_dir: Path, names: list[str], size=(40, 30), value: int = 255) -> Path:
    """Each mask is the photo's middle quarter.

    Args:
        raw_dir: gets photos/ and truth/.
        names: such as "dress/white_1".
        size: width, height of the photos, pixels.
        value: of the masks' ones.
    """
    width, height = size
    for name in names:
        photo, mask = raw_dir / "photos" / f"{name}.jpg", raw_dir / "truth" / f"{name}.png"
        photo.parent.mkdir(parents=True, exist_ok=True)
        mask.parent.mkdir(parents=True, exist_ok=True)
        photo.write_bytes(draw_jpeg(width, height))
        cv2.imwrite(str(mask), middle_mask(size) * value)
    return raw_dir


def middle_mask(size=(40, 30)) -> np.ndarray:
    width, height = size
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height * 3 // 4, width // 4 : width * 3 // 4] = 1
    return mask
