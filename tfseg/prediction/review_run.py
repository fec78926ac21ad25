"""Predicts photos for people to correct: low threshold, how unsure the model is, likeness."""

from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from tfseg.prediction.photo_files import PhotoFile
from tfseg.prediction.review_journal import PhotoForReview
from tfseg.prediction.runner import PhotoPrediction, PictureChoices
from tfseg.structures.detections import Detections, detections_from_outputs, mask_from_rle
from tfseg.structures.image_decoding import decode_photo
from tfseg.structures.mask_geometry import with_pixels
from tfseg.structures.thresholds import Thresholds

_NO_PICTURES = PictureChoices((), overlay_max_side=64)
_JPEG_QUALITY = 95  # of the mirrored photo


class ReviewPrediction(PhotoPrediction):
    """One run over photos into a review folder; its journal is a ReviewJournal."""

    def __init__(self, detect, thresholds: Thresholds, flip: bool, review_dir: Path):
        """Prepares a run.

        Args:
            detect: detector.Detector.detect, of all scores.
            thresholds: Which detections are kept.
            flip: Look at each photo's mirror image too, which takes twice the time.
            review_dir: Where.
        """
        super().__init__(detect, thresholds, None, _NO_PICTURES, review_dir)
        self._flip = flip

    def _finish(
        self, photo: PhotoFile, detections: Detections, encoded: bytes, name: str
    ) -> PhotoForReview | str:
        detections = with_pixels(self._thresholds.apply(detections))
        try:
            rgb = decode_photo(encoded)
        except ValueError as error:  # nor could the page show it
            return str(error)
        disagreement = None
        if self._flip:
            disagreement = round(flip_disagreement(detections, self._mirrored(rgb)), 4)
        return PhotoForReview(detections, difference_hash(rgb), disagreement)

    def _mirrored(self, rgb: np.ndarray) -> Detections:
        """Detections of the photo's mirror image, as they lie there."""
        bgr = cv2.cvtColor(cv2.flip(rgb, 1), cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        outputs = self._detect([cv2.imencode(".jpg", bgr, options)[1].tobytes()])
        return with_pixels(self._thresholds.apply(detections_from_outputs(outputs, 0)))


def flip_disagreement(detections: Detections, mirrored: Detections) -> float:
    """How much two looks at a photo differ.

    Args:
        detections: Of the photo.
        mirrored: Of its mirror image, masks mirrored as that is.

    Returns:
        0..1: 1 - the best mask IoU with a detection of the same category in the other look, on
        average over all detections of both, weighted by their scores; 0 where neither has any.
    """
    turned = [_mirrored_rle(rle) for rle in mirrored.rles]
    num_first = len(detections)
    best = np.zeros(num_first + len(mirrored))
    if turned and num_first:
        own = [{**rle, "counts": rle["counts"].encode()} for rle in detections.rles]
        ious = np.asarray(coco_mask.iou(own, turned, [False] * len(turned)))
        ious = ious * (detections.category_ids[:, None] == mirrored.category_ids[None, :])
        best = np.concatenate([ious.max(axis=1), ious.max(axis=0)])
    scores = np.concatenate([detections.scores, mirrored.scores]).astype(np.float64)
    return float(np.average(1 - best, weights=scores)) if scores.sum() > 0 else 0.0


def _mirrored_rle(rle: dict) -> dict:
    return coco_mask.encode(np.asfortranarray(mask_from_rle(rle)[:, ::-1]))


def difference_hash(rgb: np.ndarray) -> str:
    """Hashes what a photo looks like: whether each of 8 x 8 places is darker than its right one.

    Source: N. Krawetz, Kind of Like That (hackerfactor.com, 2013), "dHash".

    Args:
        rgb: uint8 [height, width, 3].

    Returns:
        16 hex digits; photos that look alike differ in few of the 64 bits.
    """
    grey = cv2.resize(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), (9, 8), interpolation=cv2.INTER_AREA)
    return np.packbits(grey[:, :-1] < grey[:, 1:]).tobytes().hex()
