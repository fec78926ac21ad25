"""A folder of drawn product photos, as auto_mask takes it."""

from pathlib import Path

import cv2
import numpy as np

from tests.data_prep import drawn_products

SIZE_HW = (300, 240)
TRUTH = drawn_products.shirt(SIZE_HW)
PHOTOS = {"dress/a.jpg": "white", "dress/b.jpg": "grey", "top/c.png": "colour", "top/d.jpg": "grey"}


def write_photos(folder: Path) -> dict[str, np.ndarray]:
    """Writes PHOTOS; all show TRUTH, but top/d.jpg, which shows nothing."""
    written = {}
    for name, kind in PHOTOS.items():
        mask = TRUTH if name != "top/d.jpg" else np.zeros(SIZE_HW, np.uint8)
        written[name] = drawn_products.photo(kind, mask)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), written[name])
    return written
