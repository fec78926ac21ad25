"""Detections of a split beside their ground truth, whoever made them; all that is measured of them.

The detections come from a model_dir, a SavedModel or a COCO results json.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from faster_coco_eval import COCO

from data_prep import prepared
from tfseg.evaluation import (
    attribute_metrics,
    coco_metrics,
    coco_results,
    error_analysis,
    image_attributes,
    instance_matching,
)
from tfseg.evaluation.confusion import Calibration, Confusion, calibrate, confusion_matrix
from tfseg.evaluation.metrics import compute_metrics
from tfseg.structures import thresholds
from tfseg.structures.detections import Detections, detections_from_coco_results
from tfseg.structures.thresholds import DEFAULT_ATTRIBUTE_THRESHOLD, Thresholds


@dataclasses.dataclass(frozen=True, eq=False)
class EvaluationRun:
    """One set of detections and what they are judged by.

    Attributes:
        name: Where the detections come from, for people.
        truth_name: What they are judged by, for people.
        ground_truth: From coco_metrics.load_ground_truth.
        coco_results: Of the ground truth's images, in no order.
        thresholds: What a user would be shown; the curves' metrics use all detections.
        step: The training step; None where it is not known.
        built_in_nms_iou: As detector.Detector's: what it removed is not in coco_results.
        attribute_thresholds: By attribute id, from which score on an attribute is said; .5 where
            there is none.
    """

    name: str
    truth_name: str
    ground_truth: COCO
    coco_results: list[dict]
    thresholds: Thresholds
    step: int | None = None
    built_in_nms_iou: float | None = None
    attribute_thresholds: Mapping[int, float] = dataclasses.field(default_factory=dict)

    @property
    def category_names(self) -> tuple[str, ...]:
        """In the order of the category ids."""
        return coco_metrics.category_names(self.ground_truth)

    @property
    def category_ids(self) -> tuple[int, ...]:
        """Ascending."""
        return tuple(sorted(self.ground_truth.cats))

    @property
    def prefix(self) -> str:
        """What is measured beside COCO's metrics: "mask", or "box" where there are no masks."""
        has_masks = not self.coco_results or "segmentation" in self.coco_results[0]
        return "mask" if has_masks else "box"

    @functools.cached_property
    def coco(self) -> tuple[dict[str, float], dict[str, coco_metrics.PrecisionRecall]]:
        """COCO's metrics and the curves they are of."""
        return coco_metrics.evaluate_coco_curves(self.ground_truth, self.coco_results)

    @functools.cached_property
    def images(self) -> list[instance_matching.ImageMatches]:
        """All detections of each image beside its instances."""
        return instance_matching.match_images(self.ground_truth, self.coco_results, self.prefix)

    @functools.cached_property
    def shown_images(self) -> list[instance_matching.ImageMatches]:
        """The same with those detections only that the thresholds let through."""
        return [image.select(self.shown(image)) for image in self.images]

    @functools.cached_property
    def has_attributes(self) -> bool:
        """Whether an instance's attributes are annotated, and a detection's are told."""
        return image_attributes.has_attributes(self.ground_truth, self.coco_results)

    @functools.cached_property
    def attributes(self) -> list[image_attributes.ImageAttributes]:
        """The attributes of images' detections and instances."""
        return self._attributes_of(self.images)

    @functools.cached_property
    def shown_attributes(self) -> list[image_attributes.ImageAttributes]:
        """The same of shown_images."""
        return self._attributes_of(self.shown_images)

    @functools.cached_property
    def found_attributes(self) -> attribute_metrics.FoundAttributes | None:
        """Those of instances that a shown detection finds; None where there are no attributes."""
        if not self.has_attributes:
            return None
        return attribute_metrics.found_attributes(self.shown_images, self.shown_attributes)

    @functools.cached_property
    def attribute_names(self) -> dict[int, str]:
        """By attribute id, ascending: the order of attributes and found_attributes."""
        return image_attributes.attribute_names(self.ground_truth)

    def attribute_threshold(self, attribute_id: int) -> float:
        """Returns the score from which on an attribute is said."""
        return self.attribute_thresholds.get(attribute_id, DEFAULT_ATTRIBUTE_THRESHOLD)

    def _attributes_of(
        self, images: Sequence[instance_matching.ImageMatches]
    ) -> list[image_attributes.ImageAttributes]:
        thresholds_by_id = self.attribute_thresholds
        truth, results = self.ground_truth, self.coco_results
        return [
            image_attributes.attributes_of_image(image, truth, results, thresholds_by_id)
            for image in images
        ]

    def shown(self, image: instance_matching.ImageMatches) -> np.ndarray:
        """Returns bool [num_detections], which of an image's detections a user would be shown."""
        names = [self.ground_truth.cats[int(i)]["name"] for i in image.category_ids]
        boxes = [self.coco_results[i]["bbox"] for i in image.result_indices]
        xywh = np.array(boxes, np.float64).reshape(-1, 4)
        yxyx = np.stack(
            [xywh[:, 1], xywh[:, 0], xywh[:, 1] + xywh[:, 3], xywh[:, 0] + xywh[:, 2]], axis=1
        )
        return self.thresholds.kept(image.scores, yxyx, image.category_ids, names)

    @functools.cached_property
    def errors(self) -> error_analysis.ErrorAnalysis:
        """What each kind of mistake costs."""
        return error_analysis.analyse_errors(self.images)

    @functools.cached_property
    def confusion(self) -> Confusion:
        """What the shown detections were taken for."""
        return confusion_matrix(self.shown_images, self.category_ids)

    @functools.cached_property
    def calibration(self) -> Calibration:
        """How far scores can be trusted."""
        return calibrate(self.images)

    @functools.cached_property
    def all_metrics(self) -> dict[str, float]:
        """All metrics (tfseg.evaluation.metrics) and what each kind of mistake costs, 0..1."""
        lost = {f"lost_AP50/{kind}": value for kind, value in self.errors.lost.items()}
        return {**compute_metrics(self), **lost}

    def shown_detections(self, image_id: int) -> Detections:
        """Returns an image's shown detections, to be drawn; without masks, their boxes as masks."""
        shown = next(image for image in self.shown_images if image.image_id == image_id)
        image = self.ground_truth.imgs[image_id]
        size_hw = image["height"], image["width"]
        results = [
            {
                **result,
                "category_name": self.ground_truth.cats[result["category_id"]]["name"],
                "segmentation": self.segmentation_of(result),
            }
            for result in (self.coco_results[index] for index in shown.result_indices)
        ]
        return detections_from_coco_results(results, size_hw)

    def segmentation_of(self, result: dict) -> dict:
        """Returns a COCO result's RLE; that of its box where it has no mask."""
        if "segmentation" in result:
            return result["segmentation"]
        image = self.ground_truth.imgs[result["image_id"]]
        x, y, width, height = result["bbox"]
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        return instance_matching.rle_from_segmentation([corners], image["height"], image["width"])


def judge_results(
    results_path: str,
    ground_truth_path: str | Path,
    own_thresholds: Thresholds | None = None,
) -> EvaluationRun:
    """Opens anyone's COCO results json.

    Args:
        results_path: The results.
        ground_truth_path: COCO ground truth.
        own_thresholds: What a user would be shown; one threshold for all by default.

    Raises:
        ValueError: A file is missing, or the two do not fit together.
    """
    ground_truth = coco_metrics.load_ground_truth(Path(ground_truth_path))
    coco_results.check_truth(ground_truth, ground_truth_path)
    return EvaluationRun(
        results_path,
        str(ground_truth_path),
        ground_truth,
        coco_results.read_results(results_path, ground_truth),
        own_thresholds or thresholds.DEFAULT,
    )


def judge_model(
    detector,
    prepared_set: prepared.PreparedDataset,
    split: str,
    num_examples: int = 0,
    batch_size: int = 8,
    own_thresholds: Thresholds | None = None,
) -> EvaluationRun:
    """Runs a model on one split of a prepared data set.

    Args:
        detector: detector.Detector.
        prepared_set: Has the detector's categories.
        split: Name of the split.
        num_examples: The first so many examples only; 0 means all.
        batch_size: Photos a call.
        own_thresholds: What a user would be shown; the model's own by default.

    Raises:
        ValueError: The categories differ, own_thresholds want another NMS than the one built into
            the model, a photo cannot be decoded or a shard is damaged.
    """
    from tfseg.evaluation.shard_detection import detect_records

    if tuple(detector.category_names) != tuple(prepared_set.category_names):
        raise ValueError(
            f"{detector.name}: knows {len(detector.category_names)} categories "
            f"({', '.join(detector.category_names[:4])}, ...), but the data set "
            f"{prepared_set.path} has {len(prepared_set.category_names)} "
            f"({', '.join(prepared_set.category_names[:4])}, ...); use the data set it was trained "
            "on."
        )
    shown = detector.thresholds_with(own_thresholds)
    available = prepared_set.num_examples(split)
    num_examples = min(num_examples or available, available)
    image_ids, coco_results = detect_records(
        detector.detect, prepared_set.record_paths(split), num_examples, batch_size
    )
    ground_truth = coco_metrics.load_ground_truth(prepared_set.ground_truth_path(split), image_ids)
    wanted = list(image_attributes.attribute_names(ground_truth).values())
    if detector.attribute_names:
        coco_results = _with_scores_of(coco_results, detector.attribute_names, wanted)
    return EvaluationRun(
        detector.name,
        f"{prepared_set.name}/{split}",
        ground_truth,
        coco_results,
        shown,
        detector.step,
        detector.built_in_nms_iou,
        {
            number: shown.attribute_thresholds[name]
            for number, name in image_attributes.attribute_names(ground_truth).items()
            if name in shown.attribute_thresholds
        },
    )


def _with_scores_of(
    coco_results: Sequence[dict], known: Sequence[str], wanted: Sequence[str]
) -> list[dict]:
    """The results with the scores of the wanted attributes, in their order.

    Without any where the model does not know all of them: what it never says cannot be judged.

    Args:
        coco_results: Of the model, with attribute_scores.
        known: The model's attributes, in the order of attribute_scores.
        wanted: The ground truth's.
    """
    unknown = [name for name in wanted if name not in known]
    if wanted and unknown:
        print(
            f"attributes are not judged: the model does not know {len(unknown)} of the data set's "
            f"{len(wanted)} ({', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''})."
        )
    columns = [] if unknown else [known.index(name) for name in wanted]
    chosen = []
    for result in coco_results:
        result = dict(result)
        scores = result.pop("attribute_scores")
        if columns:
            result["attribute_scores"] = [scores[i] for i in columns]
        chosen.append(result)
    return chosen
