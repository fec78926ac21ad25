"""Which detections are worth showing: tuned score thresholds by category, and a stricter NMS.

`<model_dir>/thresholds.json` is written by tfseg.tune_thresholds, built into the exported graph by
tfseg.export and applied by tfseg.predict. Needs numpy alone, no TensorFlow.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfseg.io.atomic_files import write_whole
from tfseg.structures.detections import Detections

THRESHOLDS_FILE = "thresholds.json"
DEFAULT_ATTRIBUTE_THRESHOLD = 0.5


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """The choices of thresholds.json.

    Attributes:
        score_thresholds: By category name: detections of a lower score are left out, 0..1.
        default_score_threshold: Of the categories that score_thresholds does not name.
        nms_iou: A detection is left out where its box's IoU with a better scored one of the same
            category is above it; this comes after the model's own NMS. None: no second NMS.
        attribute_thresholds: By attribute name: the score from which on a garment is said to have
            it, 0..1; DEFAULT_ATTRIBUTE_THRESHOLD for the others.
        metric: What they were tuned for, as "f1" or "fgvc6"; "" where set by hand.
        split: What they were tuned on, as "val"; "" where set by hand.
        facts: What else the file holds, as the metric's value before and after.
    """

    score_thresholds: Mapping[str, float]
    default_score_threshold: float
    nms_iou: float | None = None
    metric: str = ""
    split: str = ""
    facts: Mapping = dataclasses.field(default_factory=dict)
    attribute_thresholds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        rates = {
            "default_score_threshold": self.default_score_threshold,
            **{f"score_thresholds[{name!r}]": v for name, v in self.score_thresholds.items()},
            **{f"attribute_thresholds[{n!r}]": v for n, v in self.attribute_thresholds.items()},
        }
        if self.nms_iou is not None:
            rates["nms_iou"] = self.nms_iou
        for name, rate in rates.items():
            is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
            if not is_number or not math.isfinite(rate) or not 0 <= rate <= 1:
                raise ValueError(f"{name}: got {rate!r}, expected a number from 0 to 1.")

    def of_category(self, name: str) -> float:
        """Returns the score that a detection of this category needs, 0..1."""
        return float(self.score_thresholds.get(name, self.default_score_threshold))

    def of_categories(self, names: Sequence[str]) -> np.ndarray:
        """Returns float32 [num_categories], each category's score threshold."""
        return np.array([self.of_category(name) for name in names], np.float32)

    def of_attributes(self, names: Sequence[str]) -> list[float]:
        """Returns each attribute's threshold."""
        own = self.attribute_thresholds
        return [float(own.get(name, DEFAULT_ATTRIBUTE_THRESHOLD)) for name in names]

    def apply(self, detections: Detections) -> Detections:
        """Returns the detections that reach their category's score and outlive the NMS."""
        return detections.select(
            self.kept(
                detections.scores,
                detections.boxes_yxyx,
                detections.category_ids,
                detections.category_names,
            )
        )

    def say_attributes(self, detections: Detections, attribute_names: Sequence[str]) -> Detections:
        """Returns the detections with those attributes that reach these thresholds.

        What the model said was said by the thresholds built into it.

        Args:
            detections: With attribute_scores; others come back as they are.
            attribute_names: In the order of attribute_scores.

        Raises:
            ValueError: There are not as many names as scores.
        """
        scores = detections.attribute_scores
        if scores is None or not len(detections):
            return detections
        if scores.shape[1] != len(attribute_names):
            raise ValueError(
                f"detections: got {scores.shape[1]} attribute scores, expected "
                f"{len(attribute_names)}, one for each attribute of the model."
            )
        # In float32, as the exported graph compares them.
        is_said = scores >= np.array(self.of_attributes(attribute_names), np.float32)
        order = np.argsort(-scores, axis=1, kind="stable")
        return dataclasses.replace(
            detections,
            attributes=tuple(
                tuple((attribute_names[i], round(float(row[i]), 2)) for i in best if said[i])
                for row, said, best in zip(scores, is_said, order, strict=True)
            ),
        )

    def kept(
        self,
        scores: np.ndarray,
        boxes_yxyx: np.ndarray,
        category_ids: np.ndarray,
        category_names: Sequence[str],
    ) -> np.ndarray:
        """Returns bool [num_detections], whether each of an image's detections is kept."""
        # In float32, as the exported graph compares them.
        kept = np.asarray(scores, np.float32) >= self.of_categories(category_names)
        if self.nms_iou is not None:
            candidates = np.nonzero(kept)[0]
            kept[candidates] = nms(
                np.asarray(boxes_yxyx)[candidates],
                np.asarray(scores)[candidates],
                np.asarray(category_ids)[candidates],
                self.nms_iou,
            )
        return kept

    def save(self, path: str | Path) -> None:
        """Writes thresholds.json, whole or not at all.

        Args:
            path: The file, or the folder that gets a thresholds.json.
        """
        path = Path(path)
        path = path / THRESHOLDS_FILE if path.is_dir() else path
        write_whole(path, json.dumps(self.to_json(), indent=1) + "\n", "the thresholds")

    def to_json(self) -> dict:
        """Returns the content of thresholds.json."""
        of_attributes = {"attribute_thresholds": dict(self.attribute_thresholds)}
        return {
            "score_thresholds": dict(self.score_thresholds),
            "default_score_threshold": self.default_score_threshold,
            "nms_iou": self.nms_iou,
            **(of_attributes if self.attribute_thresholds else {}),
            "metric": self.metric,
            "split": self.split,
            **self.facts,
        }


# Where nobody has tuned any.
DEFAULT = Thresholds({}, 0.5)


def load(path: str | Path) -> Thresholds | None:
    """Reads thresholds.json.

    Args:
        path: A model_dir, or the version folder of a SavedModel (which has it in assets.extra/), or
            the file itself.

    Returns:
        None where a folder has no thresholds.json.

    Raises:
        ValueError: The file is missing or is not a thresholds.json.
    """
    file = Path(path)
    if file.is_dir():
        candidates = (file / THRESHOLDS_FILE, file / "assets.extra" / THRESHOLDS_FILE)
        found = next((candidate for candidate in candidates if candidate.is_file()), None)
        if found is None:
            return None
        file = found
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise ValueError(f"{file}: not valid json ({error}).") from None
    try:
        return _from_json(content)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(
            f"{file}: {reason} Expected a file of tfseg.tune_thresholds with score_thresholds "
            "(name to number), default_score_threshold and nms_iou (number or null)."
        ) from None


def _from_json(content: dict) -> Thresholds:
    known = {field.name for field in dataclasses.fields(Thresholds)} - {"facts"}
    return Thresholds(
        score_thresholds=dict(content["score_thresholds"].items()),
        default_score_threshold=content["default_score_threshold"],
        nms_iou=content.get("nms_iou"),
        metric=str(content.get("metric", "")),
        split=str(content.get("split", "")),
        facts={key: value for key, value in content.items() if key not in known},
        attribute_thresholds=dict(content.get("attribute_thresholds", {}).items()),
    )


def nms(
    boxes_yxyx: np.ndarray, scores: np.ndarray, category_ids: np.ndarray, iou_threshold: float
) -> np.ndarray:
    """Greedy non-maximum suppression within each category.

    Args:
        boxes_yxyx: float [num_detections, 4], pixels.
        scores: float [num_detections].
        category_ids: int [num_detections].
        iou_threshold: A box is suppressed by a kept, better scored one where their IoU is above it.

    Returns:
        bool [num_detections], the kept ones. Of equal scores the first comes first.
    """
    overlaps = box_iou(boxes_yxyx, boxes_yxyx) > iou_threshold
    overlaps &= category_ids[:, None] == category_ids[None, :]
    suppressed = np.zeros(len(scores), bool)
    kept = np.zeros(len(scores), bool)
    for index in np.argsort(-np.asarray(scores, np.float64), kind="stable"):
        if not suppressed[index]:
            kept[index] = True
            suppressed |= overlaps[index]
    return kept


def box_iou(first_yxyx: np.ndarray, second_yxyx: np.ndarray) -> np.ndarray:
    """Returns float64 [num_first, num_second], intersection over union; 0 for boxes of no area."""
    first = np.asarray(first_yxyx, np.float64).reshape(-1, 1, 4)
    second = np.asarray(second_yxyx, np.float64).reshape(1, -1, 4)
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., 2:], second[..., 2:])
    intersection = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = [np.prod(boxes[..., 2:] - boxes[..., :2], axis=-1) for boxes in (first, second)]
    union = areas[0] + areas[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
