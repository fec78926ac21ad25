"""Which instances and detections the report shows: the best, the worst, the confident mistakes."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from tfseg.evaluation import error_analysis
from tfseg.evaluation.competition_metrics import fgvc6_image_score
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.instance_matching import ImageMatches

_SHOWN_AT_MOST = 620  # tiles on a page: it stays light with many categories, too
_MOST, _LEAST = 8, 3
_NUM_ATTRIBUTE_SAMPLES = 16
_WORDS = {
    "category": "is {}",
    "location": "poor mask",
    "both": "poor mask on {}",
    "duplicate": "found already",
    "background": "nothing there",
}


@dataclasses.dataclass(frozen=True)
class Sample:
    """One tile: an instance, a detection, or both, in one photo.

    Attributes:
        image_id: Of the ground truth.
        annotation_id: The instance; None where a detection is of nothing.
        result_index: The detection's place in the COCO results; None where an instance was missed.
        iou: Of the two; NaN where one is missing.
        words: What is to be said of it.
    """

    image_id: int
    annotation_id: int | None
    result_index: int | None
    iou: float
    words: str


@dataclasses.dataclass(frozen=True)
class CategorySamples:
    """The tiles of one category.

    Attributes:
        best: Instances that a shown detection covers best.
        worst: Instances missed, or covered least.
        wrong: Wrong detections, the best scored first.
    """

    best: tuple[Sample, ...]
    worst: tuple[Sample, ...]
    wrong: tuple[Sample, ...]


def choose_samples(run: EvaluationRun) -> dict[int, CategorySamples]:
    """Chooses each category's tiles, as many as keep the page light.

    Args:
        run: The detections judged.

    Returns:
        By category id, of the categories that have an instance or a detection.
    """
    best, worst, wrong = defaultdict(list), defaultdict(list), defaultdict(list)
    for image, shown in zip(run.images, run.shown_images, strict=True):
        for category_id, sample, area in _instances(run, shown):
            is_found = (
                sample.result_index is not None and sample.iou >= error_analysis.FOREGROUND_IOU
            )
            if is_found:
                best[category_id].append((-sample.iou, sample))
            # Found ones last; of those missed the largest first.
            worst[category_id].append(((sample.iou if is_found else -1.0, -area), sample))
        for category_id, sample, score in _mistakes(run, image):
            wrong[category_id].append((-score, sample))
    present = sorted(best.keys() | worst.keys() | wrong.keys())
    count = min(_MOST, max(_LEAST, _SHOWN_AT_MOST // (3 * max(len(present), 1))))
    chosen = {}
    for category_id in present:
        tops = _first(best[category_id], count)
        poor = [s for s in _first(worst[category_id], count) if s not in tops]
        chosen[category_id] = CategorySamples(tops, tuple(poor), _first(wrong[category_id], count))
    return chosen


def choose_attribute_samples(run: EvaluationRun) -> tuple[Sample, ...]:
    """Chooses found garments whose attributes are annotated, those most wrongly told first.

    After them come as many that are told right, those that have most attributes first. A sample's
    words are three lines: the garment, what is said of it, what it has.
    """
    if not run.has_attributes:
        return ()
    names = list(run.attribute_names.values())
    ranked: tuple[list, list] = ([], [])
    for image, own in zip(run.shown_images, run.shown_attributes, strict=True):
        for row, column in enumerate(image.match(error_analysis.FOREGROUND_IOU)):
            if column < 0 or not own.is_annotated[column]:
                continue
            said, truth = own.said[row], own.truth[column]
            num_wrong = int((said != truth).sum())
            category = run.ground_truth.cats[int(image.category_ids[row])]["name"]
            words = f"{category}\nsaid: {_listed(names, said)}\ntrue: {_listed(names, truth)}"
            iou, index = float(image.iou[row, column]), int(image.result_indices[row])
            annotation_id = int(image.annotation_ids[column])
            sample = Sample(image.image_id, annotation_id, index, iou, words)
            ranked[num_wrong == 0].append(
                ((-num_wrong, -int(truth.sum()), -image.scores[row]), sample)
            )
    wrong, right = (_first(some, _NUM_ATTRIBUTE_SAMPLES // 2) for some in ranked)
    return (*wrong, *right)


def _listed(names: list[str], chosen: np.ndarray) -> str:
    return ", ".join(names[i] for i in np.flatnonzero(chosen)) or "none"


def _first(ranked: list[tuple], count: int) -> tuple[Sample, ...]:
    """The first by rank, at most two of a photo."""
    taken: list[Sample] = []
    per_image: defaultdict[int, int] = defaultdict(int)
    for _, sample in sorted(ranked, key=lambda entry: entry[0]):
        if per_image[sample.image_id] < 2 and len(taken) < count:
            taken.append(sample)
            per_image[sample.image_id] += 1
    return tuple(taken)


def _instances(run: EvaluationRun, image: ImageMatches) -> Iterable[tuple[int, Sample, float]]:
    """Gives each instance with the shown detection of its category that covers it best."""
    iou = np.where(image.same_category(), image.iou, 0.0)
    for column, annotation_id in enumerate(image.annotation_ids.tolist()):
        if image.truth_is_crowd[column]:
            continue
        annotation = run.ground_truth.anns[annotation_id]
        row = int(iou[:, column].argmax()) if len(iou) else -1
        overlap = float(iou[row, column]) if row >= 0 else 0.0
        if overlap < error_analysis.BACKGROUND_IOU:
            sample = Sample(image.image_id, annotation_id, None, float("nan"), "not found")
        else:
            index = int(image.result_indices[row])
            words = f"score {image.scores[row]:.2f} · IoU {overlap:.2f}"
            sample = Sample(image.image_id, annotation_id, index, overlap, words)
        yield int(annotation["category_id"]), sample, float(annotation["area"])


def _mistakes(run: EvaluationRun, image: ImageMatches) -> Iterable[tuple[int, Sample, float]]:
    kinds, _, _ = error_analysis.classify(image)
    iou = np.where(image.truth_is_crowd[None, :], 0.0, image.iou)
    for row, kind in enumerate(kinds):
        if kind not in _WORDS:
            continue
        annotation_id, overlap, name = None, float("nan"), ""
        if kind != "background":
            column = int(iou[row].argmax())
            annotation_id, overlap = int(image.annotation_ids[column]), float(iou[row, column])
            name = run.ground_truth.cats[int(image.truth_category_ids[column])]["name"]
        words = f"score {image.scores[row]:.2f} · {_WORDS[kind].format(name)}"
        index = int(image.result_indices[row])
        sample = Sample(image.image_id, annotation_id, index, overlap, words)
        yield int(image.category_ids[row]), sample, float(image.scores[row])


def rank_photos(run: EvaluationRun) -> list[tuple[int, float]]:
    """Returns (image id, FGVC6 score of the shown detections) of all photos, the worst first."""
    scores = [(image.image_id, fgvc6_image_score(image)) for image in run.shown_images]
    return sorted(scores, key=lambda entry: entry[1])
