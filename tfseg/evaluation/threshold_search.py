"""Finds the score thresholds by category, and the NMS IoU, that serve a metric best.

The metrics are of what is left after the cut: "f1" (IoU .5, mean over categories) and "fgvc6"
(competition_metrics.fgvc6_score).
"""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from tfseg.evaluation.competition_metrics import FGVC6_IOU_THRESHOLDS, matches_above
from tfseg.evaluation.instance_matching import ImageMatches

GRID = np.arange(1, 100) / 100
_MAX_ROUNDS = 10
Choice = TypeVar("Choice", bound=Hashable)


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        by_category: Score threshold by category id, of the categories with enough instances.
        default: Of all others.
        value: The metric with them, 0..1.
    """

    by_category: dict[int, float]
    default: float
    value: float

    def select(self, image: ImageMatches) -> ImageMatches:
        """Returns the image with those detections only that reach their threshold."""
        wanted = [self.by_category.get(int(i), self.default) for i in image.category_ids]
        return image.select(image.scores >= np.array(wanted, np.float64))


def search(images: Sequence[ImageMatches], metric: str, min_instances: int) -> Found:
    """Searches the thresholds .01, .02 ... .99.

    One threshold for all is found first. A category with few instances keeps it: its own best one
    would be an accident of those few. The others are then moved one by one, in turns, as long as
    the metric gains. Of equally good thresholds the middle is taken.

    Args:
        images: All detections, after the NMS that is to be used.
        metric: "f1" or "fgvc6".
        min_instances: Categories with fewer keep the one threshold for all.

    Raises:
        ValueError: There is no image, or for "f1" no instance.
    """
    table = _METRIC_TABLES[metric](images)
    if not images or (metric == "f1" and not table.categories):
        raise ValueError(
            f"thresholds for {metric}: got {len(images)} images with "
            f"{sum(table.num_instances.values())} instances, expected some in the set and in each "
            "half of it (every other image, for the cross-check); give more with --num_examples, "
            "or another --split."
        )
    shared = middle_of_best(table.values_of_shared())
    chosen = {category: shared for category in table.categories}
    movable = [c for c in table.categories if table.num_instances[c] >= min_instances]
    best = table.value(chosen)
    for _ in range(_MAX_ROUNDS):
        before = best
        for category in movable:
            values = table.values_of_one(chosen, category)
            if values.max() > best + 1e-9:
                chosen[category] = middle_of_best(values)
                best = table.value(chosen)
        if best <= before + 1e-9:
            break
    own = {category: float(GRID[chosen[category]]) for category in movable}
    return Found(own, float(GRID[shared]), float(best))


def search_choices(
    images_by_choice: Mapping[Choice, Sequence[ImageMatches]], metric: str, min_instances: int
) -> tuple[Choice, Found]:
    """Searches thresholds with each choice of a second NMS.

    Args:
        images_by_choice: All detections that each choice leaves.
        metric: "f1" or "fgvc6".
        min_instances: As search's.

    Returns:
        The choice that serves the metric best, the first of equals; and what was found with it.

    Raises:
        ValueError: As search's.
    """
    found = {
        choice: search(images, metric, min_instances) for choice, images in images_by_choice.items()
    }
    best = max(found, key=lambda choice: round(found[choice].value, 6))
    return best, found[best]


def cross_checked_value(
    images_by_choice: Mapping[Choice, Sequence[ImageMatches]],
    metric: str,
    min_instances: int,
    measure: Callable[[Sequence[ImageMatches]], float],
) -> float:
    """Measures on each half of the images what was found on the other half.

    Args:
        images_by_choice: All detections that each choice of a second NMS leaves.
        metric: "f1" or "fgvc6".
        min_instances: As search's; halved with the images.
        measure: The metric of images that are cut already.

    Returns:
        The metric on all images, each cut by an NMS and thresholds that were found without it.

    Raises:
        ValueError: A half is too small to search.
    """
    cut = []
    for own, other in ((0, 1), (1, 0)):
        others = {choice: images[other::2] for choice, images in images_by_choice.items()}
        choice, found = search_choices(others, metric, max(1, min_instances // 2))
        cut += [found.select(image) for image in images_by_choice[choice][own::2]]
    return measure(cut)


def mean_f1(images: Sequence[ImageMatches]) -> float:
    """Returns the mean F1 (IoU .5) over categories with instances, of images that are cut."""
    table = _F1Table(images)
    return table.value(dict.fromkeys(table.categories, -1)) if table.categories else float("nan")


def middle_of_best(values: np.ndarray) -> int:
    """Returns the middle index of the first run of largest values."""
    best = values >= values.max() - 1e-12
    first = int(best.argmax())
    length = int(np.argmin(np.append(best[first:], False)))
    return first + (length - 1) // 2


def _instances_by_category(images: Sequence[ImageMatches]) -> dict[int, int]:
    parts = [image.truth_category_ids[~image.truth_is_crowd] for image in images]
    ids, counts = np.unique(np.concatenate(parts or [np.zeros(0, int)]), return_counts=True)
    return dict(zip(ids.tolist(), counts.tolist(), strict=True))


class _F1Table:
    """Right and found counts of each category at each threshold; index -1 means no threshold."""

    def __init__(self, images: Sequence[ImageMatches]):
        self.num_instances = _instances_by_category(images)
        self.categories = sorted(self.num_instances)
        scores: dict[int, list[float]] = {category: [] for category in self.categories}
        right: dict[int, list[bool]] = {category: [] for category in self.categories}
        for image in images:
            matched = image.match(0.5)
            for category, score, instance in zip(
                image.category_ids.tolist(), image.scores, matched, strict=True
            ):
                if category in scores and instance != -2:
                    scores[category].append(score)
                    right[category].append(instance >= 0)
        self._f1 = {
            category: self._curve(scores[category], right[category], self.num_instances[category])
            for category in self.categories
        }

    @staticmethod
    def _curve(scores: list[float], right: list[bool], num_instances: int) -> np.ndarray:
        """Returns float64 [len(GRID) + 1], F1 by threshold; the last one is without any."""
        kept = np.array(scores)[None, :] >= np.append(GRID, -np.inf)[:, None]
        found = kept.sum(axis=1)
        num_right = (kept & np.array(right, bool)[None, :]).sum(axis=1)
        return 2 * num_right / (found + num_instances)

    def values_of_shared(self) -> np.ndarray:
        return np.mean([curve[:-1] for curve in self._f1.values()], axis=0)

    def values_of_one(self, chosen: dict[int, int], category: int) -> np.ndarray:
        rest = self.value(chosen) - self._f1[category][chosen[category]] / len(self.categories)
        return rest + self._f1[category][:-1] / len(self.categories)

    def value(self, chosen: dict[int, int]) -> float:
        return float(np.mean([self._f1[c][chosen[c]] for c in self.categories]))


class _Fgvc6Table:
    """Each category's right and found detections by image and threshold.

    Held for the images alone in which a category was found, so that memory follows the detections.
    """

    def __init__(self, images: Sequence[ImageMatches]):
        self.num_instances = _instances_by_category(images)
        found_ids = {int(i) for image in images for i in np.unique(image.category_ids)}
        self.categories = sorted(self.num_instances.keys() | found_ids)
        self.num_instances = {c: self.num_instances.get(c, 0) for c in self.categories}
        self._truth = np.array([(~image.truth_is_crowd).sum() for image in images], np.int64)
        # By category: an image's position, and [grid, IoU thresholds] of right and wrong ones.
        rows: dict[int, list[tuple[int, np.ndarray, np.ndarray]]]
        rows = {category: [] for category in self.categories}
        for position, image in enumerate(images):
            matched = np.stack([matches_above(image, iou) for iou in FGVC6_IOU_THRESHOLDS], axis=1)
            for category in np.unique(image.category_ids).tolist():
                own = image.category_ids == category
                kept = image.scores[own][None, :] >= GRID[:, None]  # [grid, detections]
                right = kept.astype(np.int16) @ (matched[own] >= 0).astype(np.int16)
                wrong = kept.astype(np.int16) @ (matched[own] == -1).astype(np.int16)
                rows[category].append((position, right, wrong))
        self._at: dict[int, np.ndarray] = {}
        self._right: dict[int, np.ndarray] = {}
        self._wrong: dict[int, np.ndarray] = {}
        shape = (len(GRID), len(FGVC6_IOU_THRESHOLDS))
        for category, entries in rows.items():
            self._at[category] = np.array([entry[0] for entry in entries], np.int64)
            for table, parts in (
                (self._right, [entry[1] for entry in entries]),
                (self._wrong, [entry[2] for entry in entries]),
            ):
                table[category] = np.array(parts, np.int16).reshape(-1, *shape)

    def values_of_shared(self) -> np.ndarray:
        return np.array(
            [self.value(dict.fromkeys(self.categories, index)) for index in range(len(GRID))]
        )

    def values_of_one(self, chosen: dict[int, int], category: int) -> np.ndarray:
        right, wrong = self._totals({c: i for c, i in chosen.items() if c != category})
        at = self._at[category]
        untouched = np.ones(len(self._truth), bool)
        untouched[at] = False
        rest = _image_scores(right[untouched], wrong[untouched], self._truth[untouched]).sum()
        own = _image_scores(
            right[at][:, None] + self._right[category],
            wrong[at][:, None] + self._wrong[category],
            self._truth[at][:, None],
        )
        return (own.sum(axis=0) + rest) / max(len(self._truth), 1)

    def value(self, chosen: dict[int, int]) -> float:
        return float(_image_scores(*self._totals(chosen), self._truth).mean())

    def _totals(self, chosen: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Returns int64 [num_images, num_iou_thresholds], right and wrong detections."""
        shape = (len(self._truth), len(FGVC6_IOU_THRESHOLDS))
        right, wrong = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for category, index in chosen.items():
            right[self._at[category]] += self._right[category][:, index]
            wrong[self._at[category]] += self._wrong[category][:, index]
        return right, wrong


def _image_scores(right: np.ndarray, wrong: np.ndarray, num_instances: np.ndarray) -> np.ndarray:
    """Returns the FGVC6 score of images: [..., num_iou_thresholds] -> [...]."""
    total = num_instances[..., None] + wrong
    return np.where(total > 0, right / np.maximum(total, 1), 1.0).mean(axis=-1)


_METRIC_TABLES: dict[str, type[_F1Table] | type[_Fgvc6Table]] = {
    "f1": _F1Table,
    "fgvc6": _Fgvc6Table,
}
