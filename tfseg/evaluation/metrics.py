"""Every metric of a run: its key, its names, what it means, how it is computed, where it shows.

A new metric is one more Metric here: tfseg.evaluate's table, metrics.json, the report and the model
card take theirs from this list.
"""

import dataclasses
import enum
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfseg.evaluation import (
    attribute_metrics,
    coco_metrics,
    competition_metrics,
    image_attributes,
)

if TYPE_CHECKING:
    from tfseg.evaluation.evaluation_run import EvaluationRun


class Shown(enum.Flag):
    """Where a metric shows, besides metrics.json and the model card, which hold all."""

    LIST = enum.auto()  # tfseg.evaluate's list, and the report's, each with its sentence
    COMPARISON = enum.auto()  # the report's table of two runs
    CATEGORIES = enum.auto()  # a column of the report's table of categories
    CARD = enum.auto()  # the large figures at the report's top


@dataclasses.dataclass(frozen=True)
class Metric:
    """One figure of a run, a share.

    Attributes:
        key: Its name in metrics.json, "family/name".
        label: Its name for people, short.
        explanation: One sentence what it is, and where it is defined.
        compute: Gives its value of all categories, 0..1; NaN where there is none.
        by_category: Gives it by the name of the category (or attribute); None where it has no such
            values. They go into metrics.json under "key/name".
        shown: Where.
        card_note: A few words below the large figure; needed for Shown.CARD.
        lower_is_better: Whether it is an error.
        optional: Whether lists leave it out where it has no value, as where nothing has attributes.
    """

    key: str
    label: str
    explanation: str
    compute: Callable[["EvaluationRun"], float]
    by_category: Callable[["EvaluationRun"], Mapping[str, float]] | None = None
    shown: Shown = Shown.LIST | Shown.COMPARISON
    card_note: str = ""
    lower_is_better: bool = False
    optional: bool = False


_COCO_SENTENCES = {
    "AP": "mean precision over 101 recalls, over IoU .50:.05:.95 and over categories",
    "AP50": "AP at IoU .50",
    "AP75": "AP at IoU .75",
    "APs": "AP of instances of under 32² pixels",
    "APm": "AP of instances of up to 96² pixels",
    "APl": "AP of instances of over 96² pixels",
}
_COCO_LABELS = {"APs": "AP small", "APm": "AP medium", "APl": "AP large"}
_EVERYWHERE = Shown.CATEGORIES | Shown.COMPARISON | Shown.CARD
_COCO_SHOWN = {
    **dict.fromkeys(("mask/AP", "mask/AP50", "box/AP", "box/AP50"), _EVERYWHERE),
    **dict.fromkeys(("mask/AP75", "mask/APs", "mask/APm", "mask/APl"), Shown.CATEGORIES),
}
_COCO_NOTES = {"AP": "IoU .50 to .95, COCO", "AP50": "IoU .50, COCO"}


def _coco_metric(kind: str, name: str) -> Metric:
    """One of COCO's twelve figures, of boxes or of masks (cocodataset.org/#detection-eval)."""
    key = f"{kind}/{name}"

    def compute(run):
        return run.coco[0][key]

    def by_category(run):
        return {category: run.coco[0][f"{key}/{category}"] for category in run.category_names}

    label = _COCO_LABELS.get(name, f"{kind} {name}") if kind == "mask" else f"{kind} {name}"
    sentence = _COCO_SENTENCES.get(name, "recall (cocodataset.org/#detection-eval)")
    shown, note = _COCO_SHOWN.get(key, Shown(0)), _COCO_NOTES.get(name, "")
    return Metric(key, label, sentence, compute, by_category, shown, note)


def _rate_metric(name: str, label: str, sentence: str, note: str) -> Metric:
    """A figure of the detections that are shown, read off the confusion matrix."""
    column = ("precision", "recall", "f1").index(name)

    def compute(run):
        return float(run.confusion.precision_recall_f1()[-1][column])

    def by_category(run):
        rates = run.confusion.precision_recall_f1()[:-1, column].tolist()
        return dict(zip(run.category_names, rates, strict=True))

    shown = Shown.LIST | Shown.COMPARISON | Shown.CATEGORIES
    shown |= Shown.CARD if note else Shown(0)
    return Metric(f"shown/{name}", label, sentence, compute, by_category, shown, note)


def _confident(run: "EvaluationRun") -> list:
    """Detections from Matterport's DETECTION_MIN_CONFIDENCE on: its users' figures are of them."""
    return [image.select(image.scores >= 0.7) for image in run.images]


def _of_attributes(measure: Callable) -> Callable[["EvaluationRun"], float]:
    """A figure of (images, their attributes); NaN where the truth or the detections have none."""
    return lambda run: measure(run.images, run.attributes) if run.has_attributes else math.nan


def _attribute_metric(name: str, label: str, sentence: str, measure: Callable) -> Metric:
    """A figure of each attribute, and its mean over those that a found instance has."""

    def values(run):
        found = run.found_attributes
        return np.full(0, np.nan) if found is None else measure(found)

    def compute(run):
        present = values(run)[~np.isnan(values(run))]
        return float(present.mean()) if present.size else math.nan

    def by_attribute(run):
        if run.found_attributes is None:
            return {}
        names = image_attributes.attribute_names(run.ground_truth).values()
        return dict(zip(names, values(run).tolist(), strict=True))

    key = f"attributes/{name}"
    return Metric(key, label, sentence, compute, by_attribute, optional=True)


_ALL = (
    *(_coco_metric(k, name) for k in ("mask", "box") for name in coco_metrics.SUMMARY_NAMES),
    _rate_metric(
        "precision",
        "precision",
        "share of shown detections that are right (their category, IoU from .5)",
        "of what is shown, is right",
    ),
    _rate_metric(
        "recall",
        "recall",
        "share of instances that a shown detection finds",
        "of what is there, is shown",
    ),
    _rate_metric("f1", "F1", "harmonic mean of precision and recall", ""),
    Metric(
        "matterport/mAP50",
        "Matterport mAP50",
        "Matterport's mAP@IoU=50: mean over images of each one's AP over all its detections "
        "(mrcnn/utils.py, compute_ap)",
        lambda run: competition_metrics.matterport_map(run.images),
    ),
    Metric(
        "matterport/mAP50_from_score_0.7",
        "Matterport mAP50 from .7",
        "the same of detections of score 0.7 or more, its default",
        lambda run: competition_metrics.matterport_map(_confident(run)),
        shown=Shown.LIST,
    ),
    Metric(
        "fgvc6/score",
        "FGVC6 score",
        "iMaterialist 2019: mean over images and IoU .50:.05:.95 of TP / (TP + FP + FN), of shown "
        "detections (kaggle.com/c/imaterialist-fashion-2019-FGVC6)",
        lambda run: competition_metrics.fgvc6_score(run.shown_images),
        shown=Shown.LIST | Shown.COMPARISON | Shown.CARD,
        card_note="the 2019 competition's metric",
    ),
    Metric(
        "fgvc6/score_of_all",
        "FGVC6 score of all",
        "the same of all detections",
        lambda run: competition_metrics.fgvc6_score(run.images),
        shown=Shown.LIST,
    ),
    Metric(
        "calibration/expected_error",
        "calibration error",
        "mean distance of a score from the share that is right (Guo et al., 2017, ten bins)",
        lambda run: run.calibration.expected_error,
        lower_is_better=True,
    ),
    Metric(
        "attributes/AP_IoU_F1",
        "AP IoU+F1",
        "mask AP where the attributes count: also over their F1 .50:.05:.95 (Fashionpedia, "
        "fp_eval.py)",
        _of_attributes(attribute_metrics.average_precision_iou_f1),
        optional=True,
    ),
    _attribute_metric(
        "AP",
        "attributes' AP",
        "mean over attributes of the precision of its scores on found instances (IoU from .5)",
        attribute_metrics.FoundAttributes.average_precision,
    ),
    _attribute_metric(
        "F1",
        "attributes' F1",
        "mean over attributes of the F1 of what is said of found instances",
        attribute_metrics.FoundAttributes.f1,
    ),
    Metric(
        "fgvc6/score_with_attributes",
        "FGVC6 score with attributes",
        "iMaterialist 2019's own: the FGVC6 score of shown detections where all attributes must be "
        "right too",
        lambda run: (
            attribute_metrics.fgvc6_score_with_attributes(run.shown_images, run.shown_attributes)
            if run.has_attributes
            else math.nan
        ),
        optional=True,
    ),
)
METRICS: dict[str, Metric] = {metric.key: metric for metric in _ALL}


def metrics_shown(place: Shown) -> list[Metric]:
    """Returns the metrics that show in a place, in the order of METRICS."""
    return [metric for metric in METRICS.values() if place in metric.shown]


def metrics_listed(place: Shown, *values: Mapping[str, float]) -> list[Metric]:
    """Returns those to list of runs with these values: without optional ones that none has."""
    return [
        metric
        for metric in metrics_shown(place)
        if not metric.optional or not all(math.isnan(own[metric.key]) for own in values)
    ]


def compute_metrics(run: "EvaluationRun") -> dict[str, float]:
    """Computes every metric of a run: first those of all categories, then those of each.

    Returns:
        0..1 by key, and by "key/category"; NaN where there is no value.
    """
    values = {metric.key: float(metric.compute(run)) for metric in METRICS.values()}
    for metric in METRICS.values():
        for category, value in (metric.by_category(run) if metric.by_category else {}).items():
            values[f"{metric.key}/{category}"] = float(value)
    return values
