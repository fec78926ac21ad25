"""Which predictions of a photo are instances, which are ignore regions, and which are nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from pycocotools import mask as coco_mask

_SAME_MASK_IOU = 0.5  # two predictions of one category are one garment's
_CONTRADICTION_IOU = 0.8  # two of different categories say different things of one garment


class Verdict(Enum):
    """What becomes of a prediction; the values are the report's reasons."""

    INSTANCE = "instance"
    UNSURE = "prediction_is_unsure"
    NOT_TAGGED = "prediction_of_what_the_tags_do_not_name"
    CONTRADICTED = "prediction_contradicted_by_a_better_one"
    DUPLICATE = "prediction_of_the_same_garment_again"
    TOO_LOW = "prediction_below_unsure_score"

    @property
    def is_region(self) -> bool:
        """Whether it is an ignore region."""
        return self in (Verdict.UNSURE, Verdict.NOT_TAGGED, Verdict.CONTRADICTED)


@dataclass(frozen=True)
class Prediction:
    """One detection; rle is compressed COCO RLE with bytes, of the photo's size."""

    category: str
    score: float
    rle: dict = field(repr=False)


@dataclass(frozen=True)
class SelectionRules:
    """The scores that decide, 0..1.

    Attributes:
        confident_scores: by category, the least of an instance.
        confident_score: of the categories that it does not name.
        unsure_score: the least of an ignore region.
        tagged_score: the least of an instance that the photo's tags name, where that is lower.
        needs_all_tags: whether a photo is of use only where all that its tags name was found, be it
            as unsure.
    """

    confident_scores: Mapping[str, float]
    confident_score: float
    unsure_score: float
    tagged_score: float
    needs_all_tags: bool = False

    def finds_enough(
        self,
        predictions: Sequence[Prediction],
        verdicts: Sequence[Verdict],
        tags: frozenset[str] | None,
    ) -> bool:
        """Whether a photo's tags do not forbid to train on it; see needs_all_tags."""
        if not self.needs_all_tags or tags is None:
            return True
        nothing = (Verdict.TOO_LOW, Verdict.DUPLICATE)
        judged = zip(predictions, verdicts, strict=True)
        return tags <= {one.category for one, verdict in judged if verdict not in nothing}

    def verdicts(
        self, predictions: Sequence[Prediction], tags: frozenset[str] | None
    ) -> list[Verdict]:
        """Judges the predictions of one photo, the best scored first.

        Args:
            predictions: in any order.
            tags: the categories that are in the photo; None: nobody said.

        Returns:
            In the order of the predictions.
        """
        verdicts = [self._by_score(one, tags) for one in predictions]
        rles = [one.rle for one in predictions]
        ious = coco_mask.iou(rles, rles, [0] * len(rles)) if rles else np.zeros((0, 0))
        _settle_by_tags(predictions, verdicts, ious, tags or frozenset())
        order = np.argsort([-one.score for one in predictions], kind="stable").tolist()
        taken: list[int] = []
        for index in order:
            if verdicts[index] is Verdict.TOO_LOW:
                continue
            for better in taken:
                same = predictions[better].category == predictions[index].category
                if same and ious[index, better] >= _SAME_MASK_IOU:
                    verdicts[index] = Verdict.DUPLICATE
                    break
                if ious[index, better] >= _CONTRADICTION_IOU:
                    verdicts[index] = Verdict.CONTRADICTED
            if verdicts[index] is Verdict.INSTANCE:
                taken.append(index)
        return verdicts

    def _by_score(self, one: Prediction, tags: frozenset[str] | None) -> Verdict:
        if one.score < self.unsure_score:
            return Verdict.TOO_LOW
        needed = self.confident_scores.get(one.category, self.confident_score)
        if tags is not None and one.category in tags:
            needed = min(needed, self.tagged_score)
        if one.score < needed:
            return Verdict.UNSURE
        return (
            Verdict.NOT_TAGGED
            if tags is not None and one.category not in tags
            else Verdict.INSTANCE
        )


def _settle_by_tags(
    predictions: Sequence[Prediction],
    verdicts: list[Verdict],
    ious: np.ndarray,
    tags: frozenset[str],
) -> None:
    """Where the model is sure of a mask but not of its category, as with boots and footwear, takes
    the category that the tags name."""
    for index, verdict in enumerate(verdicts.copy()):
        if verdict is not Verdict.NOT_TAGGED:
            continue
        named = [
            other
            for other, one in enumerate(predictions)
            if verdicts[other] is Verdict.UNSURE
            and one.category in tags
            and ious[index, other] >= _CONTRADICTION_IOU
        ]
        if named:
            verdicts[max(named, key=lambda other: predictions[other].score)] = Verdict.INSTANCE
