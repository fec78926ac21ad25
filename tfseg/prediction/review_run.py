"""Predicts photos for people to correct: low threshold, how unsure the model is, likeness."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
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


Detect = Callable[[Sequence[bytes]], dict[str, np.ndarray]]  # as detector.Detector.detect


@dataclass(frozen=True)
class OtherModel:
    """A model that looks at the photos, too.

    Attributes:
        detect: Of all scores.
        thresholds: Which of its detections count.
        category_names: That both models know; the others are not compared.
    """

    detect: Detect
    thresholds: Thresholds
    category_names: Collection[str]


class ReviewPrediction(PhotoPrediction):
    """One run over photos into a review folder; its journal is a ReviewJournal."""

    def __init__(
        self,
        detect: Detect,
        thresholds: Thresholds,
        flip: bool,
        review_dir: Path,
        other: OtherModel | None = None,
    ):
        """Prepares a run.

        Args:
            detect: detector.Detector.detect, of all scores.
            thresholds: Which detections are kept.
            flip: Look at each photo's mirror image too, which takes twice the time.
            review_dir: Where.
            other: Look at each photo with this model too.
        """
        super().__init__(detect, thresholds, None, _NO_PICTURES, review_dir)
        self._flip = flip
        self._other = other

    def _finish(
        self, photo: PhotoFile, detections: Detections, encoded: bytes, name: str
    ) -> PhotoForReview | str:
        detections = with_pixels(self._thresholds.apply(detections))
        try:
            rgb = decode_photo(encoded)
        except ValueError as error:  # nor could the page show it
            return str(error)
        by_flip = by_other = None
        if self._flip:
            by_flip = round(disagreement(detections, mirrored(self._of_mirror_image(rgb))), 4)
        if self._other:
            by_other = round(self._disagreement_with_other(detections, encoded, self._other), 4)
        return PhotoForReview(detections, difference_hash(rgb), by_flip, by_other)

    def _disagreement_with_other(
        self, detections: Detections, encoded: bytes, other: OtherModel
    ) -> float:
        found = detections_from_outputs(other.detect([encoded]), 0)
        found = with_pixels(other.thresholds.apply(found))
        known = [
            one.select(
                np.array([name in other.category_names for name in one.category_names], bool)
            )
            for one in (detections, found)
        ]
        return disagreement(*known)

    def _of_mirror_image(self, rgb: np.ndarray) -> Detections:
        bgr = cv2.cvtColor(cv2.flip(rgb, 1), cv2.COLOR_RGB2BGR)
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        outputs = self._detect([cv2.imencode(".jpg", bgr, options)[1].tobytes()])
        return with_pixels(self._thresholds.apply(detections_from_outputs(outputs, 0)))


def disagreement(first: Detections, second: Detections) -> float:
    """How much two looks at a photo differ.

    Args:
        first: Of the photo.
        second: Of the same photo.

    Returns:
        0..1: 1 - the best mask IoU with a detection of the same category in the other look, on
        average over all detections of both, weighted by their scores; 0 where neither has any.
    """
    best = np.zeros(len(first) + len(second))
    if len(first) and len(second):
        rles = [
            [{**rle, "counts": rle["counts"].encode()} for rle in one.rles]
            for one in (first, second)
        ]
        ious = np.asarray(coco_mask.iou(*rles, [False] * len(second)))
        names = [np.array(one.category_names) for one in (first, second)]
        ious = ious * (names[0][:, None] == names[1][None, :])
        best = np.concatenate([ious.max(axis=1), ious.max(axis=0)])
    scores = np.concatenate([first.scores, second.scores]).astype(np.float64)
    return float(np.average(1 - best, weights=scores)) if scores.sum() > 0 else 0.0


def mirrored(detections: Detections) -> Detections:
    """Turns masks left to right; boxes stay as they are."""
    rles = []
    for rle in detections.rles:
        turned = coco_mask.encode(np.asfortranarray(mask_from_rle(rle)[:, ::-1]))
        rles.append({"size": rle["size"], "counts": turned["counts"].decode()})
    return replace(detections, rles=tuple(rles))


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
