"""How well the attributes of garments are told: with the mask (AP_IoU+F1), and each by itself.

AP_IoU+F1 is Fashionpedia's measure (Jia et al., 2020, section 5; github.com/KMnP/fashionpedia-api,
fp_eval.py). Attributes stand in the order of their ids.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfseg.evaluation.competition_metrics import fgvc6_score
from tfseg.evaluation.image_attributes import ImageAttributes
from tfseg.evaluation.instance_matching import ImageMatches
from tfseg.evaluation.threshold_search import GRID, middle_of_best

_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_F1_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_BELOW_ONE = 1 - 1e-10  # COCO's: an overlap that is 1 but for rounding reaches a threshold of 1


def attributes_f1(said: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How alike two sets of attributes are, as Fashionpedia has it ("binary_macro").

    The mean of the F1 of having an attribute and that of not having it, each counted over all
    attributes; the one that neither set knows (all have it, none has it) is left out.

    Args:
        said: bool [num_detections, num_attributes].
        truth: bool [num_instances, num_attributes].

    Returns:
        float64 [num_detections, num_instances], 0..1.
    """
    said, truth = said.astype(np.int64), truth.astype(np.int64)
    both = said @ truth.T
    neither = (1 - said) @ (1 - truth).T
    wrong = said.shape[1] - both - neither
    parts = []
    for right in (both, neither):
        total = 2 * right + wrong
        parts.append(np.where(total > 0, 2 * right / np.maximum(total, 1), np.nan))
    return np.nanmean(parts, axis=0)


def average_precision_iou_f1(
    images: Sequence[ImageMatches], attributes: Sequence[ImageAttributes]
) -> float:
    """Fashionpedia's AP_IoU+F1: a detection is right whose mask and whose attributes are.

    As COCO's AP, but a detection matches an instance whose overlap reaches an IoU threshold and
    whose attributes_f1 reaches an F1 threshold, both .50:.05:.95; among several it takes the next
    one that is not worse in either. The mean is over the IoU thresholds, and over categories at
    each F1 threshold; a category without attributes, where IoU alone counts, is in it once. Which
    have some is told by the ground truth here, by a list in fashionpedia-api. An instance whose
    attributes are not annotated asks for its mask alone.

    Returns:
        0..1; NaN where there is no instance.
    """
    category_ids = {int(i) for image in images for i in image.truth_category_ids}
    values = [
        value
        for category_id in sorted(category_ids)
        for value in _category_ap(images, attributes, category_id)
    ]
    return float(np.mean(values)) if values else float("nan")


def _category_ap(
    images: Sequence[ImageMatches], attributes: Sequence[ImageAttributes], category_id: int
) -> list[float]:
    """A category's AP at each F1 threshold, or one where it has no attributes."""
    has_some = any(
        a.truth[i.truth_category_ids == category_id].any()
        for i, a in zip(images, attributes, strict=True)
    )
    f1_thresholds = _F1_THRESHOLDS if has_some else np.zeros(1)
    scores, right, passed, num_instances = [], [], [], 0
    for image, own in zip(images, attributes, strict=True):
        rows = image.category_ids == category_id
        columns = np.flatnonzero(image.truth_category_ids == category_id)
        is_crowd = image.truth_is_crowd[columns]
        columns = columns[np.argsort(is_crowd, kind="stable")]
        is_crowd = np.sort(is_crowd)
        num_instances += int((~is_crowd).sum())
        f1 = attributes_f1(own.said[rows], own.truth[columns])
        f1[:, ~own.is_annotated[columns]] = 1.0
        found = _match(image.iou[rows][:, columns], f1, is_crowd, f1_thresholds, not has_some)
        scores.append(image.scores[rows])
        right.append(found[0])
        passed.append(found[1])
    if not num_instances:
        return []
    order = np.argsort(-np.concatenate(scores), kind="stable")
    is_right = np.concatenate(right, axis=2)[..., order]
    is_wrong = ~is_right & ~np.concatenate(passed, axis=2)[..., order]
    by_iou = [
        [_interpolated_ap(r, w, num_instances) for r, w in zip(right_row, wrong_row, strict=True)]
        for right_row, wrong_row in zip(is_right, is_wrong, strict=True)
    ]
    return np.mean(by_iou, axis=0).tolist()


def _match(
    iou: np.ndarray,
    f1: np.ndarray,
    is_crowd: np.ndarray,
    f1_thresholds: np.ndarray,
    crowds_take_many: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections, best first, find an instance, and which lie in a crowd.

    Args:
        iou, f1: float64 [num_detections, num_instances], crowds last.
        is_crowd: bool [num_instances].
        f1_thresholds: float64 [num_f1].
        crowds_take_many: COCO's way; in fashionpedia-api a crowd with attributes takes one.

    Returns:
        Two bool arrays [num_iou, num_f1, num_detections].
    """
    shape = (len(_IOU_THRESHOLDS), len(f1_thresholds))
    free = np.ones((*shape, len(is_crowd)), bool)
    right, in_crowd = (np.zeros((*shape, len(iou)), bool) for _ in range(2))
    for row in np.flatnonzero((iou >= _IOU_THRESHOLDS[0]).any(axis=1)):
        best_iou = np.tile(np.minimum(_IOU_THRESHOLDS, _BELOW_ONE)[:, None], (1, shape[1]))
        best_f1 = np.tile(np.minimum(f1_thresholds, _BELOW_ONE)[None, :], (shape[0], 1))
        chosen = np.full(shape, -1)
        for column, crowd in enumerate(is_crowd):
            better = free[..., column] | (crowd and crowds_take_many)
            better = better & (iou[row, column] >= best_iou) & (f1[row, column] >= best_f1)
            if crowd:
                better &= (chosen < 0) | is_crowd[chosen]
            best_iou[better], best_f1[better] = iou[row, column], f1[row, column]
            chosen[better] = column
        is_found = chosen >= 0
        free &= chosen[..., None] != np.arange(len(is_crowd))
        in_crowd[..., row] = is_found & is_crowd[chosen]
        right[..., row] = is_found & ~is_crowd[chosen]
    return right, in_crowd


def _interpolated_ap(is_right: np.ndarray, is_wrong: np.ndarray, num_instances: int) -> float:
    """COCO's AP of detections, best first (cocoeval.py, accumulate)."""
    num_right, num_wrong = np.cumsum(is_right), np.cumsum(is_wrong)
    precision = num_right / (num_right + num_wrong + np.spacing(1))
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(num_right / num_instances, _RECALLS, side="left")
    return float(np.append(precision, 0.0)[places].mean())


@dataclasses.dataclass(frozen=True, eq=False)
class FoundAttributes:
    """The instances with annotated attributes that were found (category, IoU from .5).

    Attributes:
        scores, said, truth: As ImageAttributes', [num_found, num_attributes].
    """

    scores: np.ndarray
    said: np.ndarray
    truth: np.ndarray

    def f1(self) -> np.ndarray:
        """Returns float64 [num_attributes], each one's F1; NaN where no found instance has it."""
        right = (self.said & self.truth).sum(axis=0)
        total = self.said.sum(axis=0) + self.truth.sum(axis=0)
        return np.where(self.truth.any(axis=0), 2 * right / np.maximum(total, 1), np.nan)

    def average_precision(self) -> np.ndarray:
        """Returns float64 [num_attributes], the mean precision at each instance that has it.

        Instances of equal scores are taken together. NaN where no found instance has it.
        """
        columns = zip(self.scores.T, self.truth.T, strict=True)
        return np.array([_ranking_ap(scores, has) for scores, has in columns])


def _ranking_ap(scores: np.ndarray, has: np.ndarray) -> float:
    if not has.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with equal scores
    num_right, num_taken = np.cumsum(has[order])[last], np.flatnonzero(last) + 1
    gained = np.diff(num_right, prepend=0)
    return float((gained * num_right / num_taken).sum() / has.sum())


def found_attributes(
    images: Sequence[ImageMatches], attributes: Sequence[ImageAttributes]
) -> FoundAttributes:
    """Pairs each found instance's attributes with its detection's."""
    scores, said, truth = [], [], []
    for image, own in zip(images, attributes, strict=True):
        matched = image.match(0.5)
        rows = np.flatnonzero(matched >= 0)
        rows = rows[own.is_annotated[matched[rows]]]
        scores.append(own.scores[rows])
        said.append(own.said[rows])
        truth.append(own.truth[matched[rows]])
    return FoundAttributes(np.concatenate(scores), np.concatenate(said), np.concatenate(truth))


def fgvc6_score_with_attributes(
    images: Sequence[ImageMatches], attributes: Sequence[ImageAttributes]
) -> float:
    """iMaterialist 2019's own score: a detection's whole ClassId must be the instance's.

    A ClassId is a category with its attributes (`6_20_30`), so a single attribute too many or too
    few makes a detection wrong; an instance whose attributes are not annotated has none there
    (its ClassId is `6`). That is why the winner took away what had attributes.

    Returns:
        0..1; NaN where there is no image.
    """
    return fgvc6_score(
        [
            dataclasses.replace(
                image,
                iou=np.where(
                    (own.said[:, None] == own.truth[None]).all(axis=2) | image.truth_is_crowd,
                    image.iou,
                    0.0,
                ),
            )
            for image, own in zip(images, attributes, strict=True)
        ]
    )


def best_f1_thresholds(
    found: FoundAttributes, attribute_ids: Sequence[int], min_instances: int = 5
) -> dict[int, float]:
    """Finds each attribute's threshold, .01, .02 ... .99, of the best F1.

    Args:
        found: Of the split to tune on.
        attribute_ids: In the order of found's columns.
        min_instances: An attribute that fewer found instances have, or all, is left out: its best
            threshold would be an accident of those few.

    Returns:
        By attribute id; of equally good thresholds the middle.
    """
    thresholds = {}
    for number, scores, has in zip(attribute_ids, found.scores.T, found.truth.T, strict=True):
        if not min_instances <= has.sum() < len(has):
            continue
        said = scores[None, :] >= GRID[:, None]
        right = (said & has).sum(axis=1)
        f1 = 2 * right / (said.sum(axis=1) + has.sum())
        thresholds[number] = float(GRID[middle_of_best(f1)])
    return thresholds
