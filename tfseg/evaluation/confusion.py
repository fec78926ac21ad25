"""What was taken for what, and how far scores can be trusted."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfseg.evaluation.instance_matching import ImageMatches

IOU_THRESHOLD = 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """Counts of instances by what they are and what they were taken for.

    Attributes:
        category_ids: Those of the rows and columns.
        counts: int64 [n + 1, n + 1]; row: true category, column: found category. The last row holds
            detections of nothing (background), the last column instances not found.
    """

    category_ids: tuple[int, ...]
    counts: np.ndarray

    def precision_recall_f1(self) -> np.ndarray:
        """Returns float64 [n + 1, 3] of each category and then of all together; NaN for 0 / 0."""
        right = np.diag(self.counts)[:-1].astype(float)
        found = self.counts[:, :-1].sum(axis=0).astype(float)
        instances = self.counts[:-1].sum(axis=1).astype(float)
        right, found, instances = (np.append(v, v.sum()) for v in (right, found, instances))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.stack(
                [right / found, right / instances, 2 * right / (found + instances)], axis=1
            )


def confusion_matrix(images: Sequence[ImageMatches], category_ids: Sequence[int]) -> Confusion:
    """Matches one to one at IoU .5: first within categories as COCO does, then what is left over.

    Args:
        images: Detections that are to count; cut them by their scores beforehand.
        category_ids: Ascending.
    """
    place = {category_id: index for index, category_id in enumerate(category_ids)}
    counts = np.zeros((len(place) + 1, len(place) + 1), np.int64)
    for image in images:
        matched = image.match(IOU_THRESHOLD)
        taken = np.zeros(len(image.truth_category_ids), bool)
        taken[matched[matched >= 0]] = True
        left = np.where(image.truth_is_crowd[None, :] | taken[None, :], -1.0, image.iou)
        for index, instance in enumerate(matched):
            column = place[int(image.category_ids[index])]
            if instance == -1:
                best = int(left[index].argmax()) if left.shape[1] else -1
                if best < 0 or left[index, best] < IOU_THRESHOLD:
                    counts[-1, column] += 1
                    continue
                instance = best
                taken[best] = True
                left[:, best] = -1.0
            if instance >= 0:
                counts[place[int(image.truth_category_ids[instance])], column] += 1
        for category_id in image.truth_category_ids[~taken & ~image.truth_is_crowd]:
            counts[place[int(category_id)], -1] += 1
    return Confusion(tuple(category_ids), counts)


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Scores beside how often they were right.

    Attributes:
        edges: float64 [num_bins + 1], 0..1.
        counts: int64 [num_bins], detections with a score of the bin.
        mean_scores: float64 [num_bins]; NaN for an empty bin.
        precision: float64 [num_bins], the share of them that is right (IoU from .5).
        expected_error: Mean distance of score and precision over detections (expected calibration
            error; Guo et al., ICML 2017), 0..1; NaN without detections.
    """

    edges: np.ndarray
    counts: np.ndarray
    mean_scores: np.ndarray
    precision: np.ndarray
    expected_error: float


def calibrate(images: Sequence[ImageMatches], num_bins: int = 10) -> Calibration:
    """Compares scores with the share of right detections, over all categories."""
    matched = [image.match(IOU_THRESHOLD) for image in images]
    counted = [m != -2 for m in matched]
    scores = _join([image.scores[c] for image, c in zip(images, counted, strict=True)])
    is_right = _join([m[c] >= 0 for m, c in zip(matched, counted, strict=True)])
    edges = np.arange(num_bins + 1) / num_bins
    bins = np.clip(np.searchsorted(edges, scores, side="right") - 1, 0, num_bins - 1)
    counts = np.bincount(bins, minlength=num_bins)
    with np.errstate(invalid="ignore"):
        mean_scores = np.bincount(bins, weights=scores, minlength=num_bins) / counts
        precision = np.bincount(bins, weights=is_right, minlength=num_bins) / counts
    distance = np.abs(np.nan_to_num(mean_scores) - np.nan_to_num(precision))
    expected = float(np.sum(distance * counts) / counts.sum()) if counts.sum() else float("nan")
    return Calibration(edges, counts, mean_scores, precision, expected)


def _join(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(float) if parts else np.zeros(0)
