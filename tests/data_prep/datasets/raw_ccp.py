"""Clothing Co-Parsing's raw form, drawn: photos, label pictures, tags."""

from pathlib import Path

import cv2
import numpy as np
import scipy.io

LABELS = ("null", "bag", "hair", "purse", "shoes", "t-shirt")


class RawCcp:
    """A folder as a checkout of the repository is."""

    def __init__(self, folder: Path):
        self.folder = folder
        for part in ("photos", "annotations/pixel-level", "annotations/image-level"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        names = np.empty((1, len(LABELS)), object)
        names[0] = [np.array([name]) for name in LABELS]
        scipy.io.savemat(folder / "label_list.mat", {"label_list": names})

    def add_photo(self, number: int, size_hw=(60, 40)) -> None:
        photo = np.full((*size_hw, 3), (number * 37) % 256, np.uint8)
        cv2.imwrite(str(self.folder / f"photos/{number:04d}.jpg"), photo)

    def label(self, number: int, labels: np.ndarray) -> None:
        path = self.folder / f"annotations/pixel-level/{number:04d}.mat"
        scipy.io.savemat(path, {"groundtruth": np.uint8(labels)})

    def tag(self, number: int, labels: list[int]) -> None:
        path = self.folder / f"annotations/image-level/{number:04d}.mat"
        scipy.io.savemat(path, {"tags": np.uint8([labels])})
