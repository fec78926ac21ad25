"""A review folder of drawn photos: a dress, a pair of shoes as one garment, a doubtful belt."""

from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from tfseg.prediction.photo_files import PhotoFile
from tfseg.prediction.review_journal import PhotoForReview, ReviewJournal
from tfseg.structures.detections import Detections
from tfseg.structures.review_predictions import ReviewSettings

SIZE_HW = (300, 220)
CATEGORY_NAMES = ("bag", "belt", "footwear", "dress")
BOXES_YXYX = {  # rows and columns, half-open
    "dress": [(60, 70, 200, 150)],
    "footwear": [(240, 70, 270, 100), (240, 120, 270, 150)],
    "belt": [(120, 72, 130, 148)],
    "bag": [(150, 165, 200, 205)],  # which the model has missed
}
_COLORS_BGR = {
    "dress": (200, 80, 40),
    "footwear": (30, 30, 160),
    "belt": (20, 20, 20),
    "bag": (40, 160, 60),
}
SCORES = {"dress": 0.95, "footwear": 0.8, "belt": 0.3}


def mask_of(category: str) -> np.ndarray:
    """uint8 [height, width] of 0 and 1."""
    mask = np.zeros(SIZE_HW, np.uint8)
    for top, left, bottom, right in BOXES_YXYX[category]:
        mask[top:bottom, left:right] = 1
    return mask


def settings(photos_dir: Path, **changes) -> ReviewSettings:
    """Of a model that shows from 0.5 on."""
    thresholds = dict.fromkeys(CATEGORY_NAMES, 0.5)
    known = {"model": "drawn", "score_threshold": 0.2, "nms_iou": None, "flip": False, **changes}
    return ReviewSettings(
        photos_dir=str(photos_dir),
        category_names=CATEGORY_NAMES,
        score_thresholds=thresholds,
        **known,
    )


def predicted(scores: dict[str, float], dhash: str) -> PhotoForReview:
    """What a model says that finds these categories with these scores."""
    names = tuple(scores)
    rles = [coco_mask.encode(np.asfortranarray(mask_of(name))) for name in names]
    detections = Detections(
        boxes_yxyx=np.array([BOXES_YXYX[name][0] for name in names], np.float32).reshape(-1, 4),
        scores=np.array(list(scores.values()), np.float32),
        category_ids=np.array([CATEGORY_NAMES.index(name) + 1 for name in names], np.int32),
        category_names=names,
        rles=tuple({"size": list(SIZE_HW), "counts": rle["counts"].decode()} for rle in rles),
        image_size_hw=SIZE_HW,
    )
    return PhotoForReview(detections, dhash, None)


def write(folder: Path, names=("a.jpg", "b.jpg", "c.jpg")) -> Path:
    """Writes folder/photos and folder/review; the first photo is the most doubtful."""
    (folder / "photos").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with ReviewJournal(folder / "review", settings(folder / "photos")) as journal:
        for number, name in enumerate(names):
            photo = np.full((*SIZE_HW, 3), (205, 215, 210), np.uint8)
            for category in BOXES_YXYX:
                photo[mask_of(category) > 0] = _COLORS_BGR[category]
            noise = rng.integers(-6, 7, photo.shape)
            path = folder / "photos" / name
            cv2.imwrite(str(path), np.clip(photo + noise, 0, 255).astype(np.uint8))
            scores = {**SCORES, "footwear": min(0.99, 0.6 + 0.1 * number)}
            file = PhotoFile(path, name)
            answer = predicted(scores, f"{rng.integers(0, 2**63):016x}")
            journal.add(file, path.stat().st_size, answer)
    return folder / "review"
