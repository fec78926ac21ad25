"""Why the AP is not 1: what each kind of mistake costs, in AP50.

The kinds are TIDE's (Bolya et al., ECCV 2020, section 2.2, at IoU .5 and .1). TIDE states what AP
would gain were one kind alone mended; those gains do not add up to what is lost. Here each kind's
share is its Shapley value: its gain averaged over all orders in which the kinds could be mended, so
that the shares add up to 1 - AP50 exactly.
"""

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from tfseg.evaluation.instance_matching import CROWD, ImageMatches

FOREGROUND_IOU, BACKGROUND_IOU = 0.5, 0.1
# In the order in which they are told.
ERROR_KINDS = {
    "category": "wrong category: lies on an instance of another category (IoU from .5)",
    "location": "poor mask: the right category, but IoU only .1 to .5",
    "both": "wrong category, poor mask: IoU .1 to .5 with an instance of another",
    "duplicate": "duplicate: the instance has a better scored detection already",
    "background": "background: nothing there (IoU under .1)",
    "missed": "missed: no detection of the instance at all",
}
_FIXABLE = ("category", "location")  # by moving the detection onto an instance; others by removal
_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclasses.dataclass(frozen=True)
class ErrorAnalysis:
    """What the mistakes cost.

    Attributes:
        ap50: Mean over categories, 0..1.
        lost: By kind, how much of 1 - ap50 it is; they add up to it.
        gain: By kind, what ap50 would gain were that kind alone mended (TIDE's delta AP).
        counts: By category id and kind, the number of mistakes.
    """

    ap50: float
    lost: dict[str, float]
    gain: dict[str, float]
    counts: dict[int, dict[str, int]]


def classify(image: ImageMatches) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names each detection's mistake.

    Returns:
        A kind for each detection, "" for a right one and "crowd" for one that does not count; int64
        [num_detections], the instance that it is or would be if mended, -1 for none; bool
        [num_instances], the missed ones.
    """
    matched = image.match(FOREGROUND_IOU)
    iou = np.where(image.truth_is_crowd[None, :], 0.0, image.iou)
    same = np.where(image.same_category(), iou, 0.0)
    other = np.where(image.same_category(), 0.0, iou)
    taken = np.zeros(len(image.truth_category_ids), bool)
    taken[matched[matched >= 0]] = True
    kinds, targets = [], matched.copy()
    for index, instance in enumerate(matched):
        best_same, best_other = same[index].max(initial=0), other[index].max(initial=0)
        target = -1
        if instance >= 0:
            kind, target = "", instance
        elif instance == CROWD:
            kind = "crowd"
        elif best_same >= FOREGROUND_IOU:
            kind = "duplicate"
        elif best_other >= FOREGROUND_IOU:
            kind, target = "category", int(other[index].argmax())
        elif best_same >= BACKGROUND_IOU:
            kind, target = "location", int(same[index].argmax())
        elif best_other >= BACKGROUND_IOU:
            kind = "both"
        else:
            kind = "background"
        kinds.append(kind)
        targets[index] = target
    covered = taken.copy()
    covered[[t for kind, t in zip(kinds, targets, strict=True) if kind in _FIXABLE]] = True
    return kinds, targets, ~covered & ~image.truth_is_crowd


def analyse_errors(images: Sequence[ImageMatches]) -> ErrorAnalysis:
    """Classifies every detection, and shares out what is lost of AP50.

    Args:
        images: From instance_matching.match_images.
    """
    table = _Table.of(images)
    counts = table.count_by_category()
    present = [kind for kind in ERROR_KINDS if any(row.get(kind) for row in counts.values())]
    ap = {
        mended: table.ap50(frozenset(mended))
        for size in range(len(present) + 1)
        for mended in itertools.combinations(present, size)
    }
    lost = dict.fromkeys(ERROR_KINDS, 0.0)
    gain = dict.fromkeys(ERROR_KINDS, 0.0)
    for kind in present:
        gain[kind] = ap[(kind,)] - ap[()]
        for mended in ap:
            if kind not in mended:
                together = tuple(k for k in present if k in mended or k == kind)
                weight = 1 / (len(present) * math.comb(len(present) - 1, len(mended)))
                lost[kind] += weight * (ap[together] - ap[mended])
    return ErrorAnalysis(ap[()], lost, gain, counts)


@dataclasses.dataclass(frozen=True)
class _Table:
    """All detections as arrays; instances have numbers over all images.

    `target` is -1 where a detection is no instance, even if mended.
    """

    score: np.ndarray
    category: np.ndarray
    kind: np.ndarray
    target: np.ndarray
    instance_category: np.ndarray
    instance_taken: np.ndarray
    instance_missed: np.ndarray

    @classmethod
    def of(cls, images: Sequence[ImageMatches]) -> "_Table":
        columns = defaultdict(list)
        offset = 0
        for image in images:
            kinds, targets, missed = classify(image)
            taken = np.zeros(len(missed), bool)
            taken[[t for kind, t in zip(kinds, targets, strict=True) if kind == ""]] = True
            columns["score"].append(image.scores)
            columns["category"].append(image.category_ids)
            columns["kind"].append(np.array(kinds, dtype="U10"))
            columns["target"].append(np.where(targets >= 0, targets + offset, -1))
            columns["instance_taken"].append(taken)
            columns["instance_missed"].append(missed)
            # A crowd is no instance.
            category = np.where(image.truth_is_crowd, -1, image.truth_category_ids)
            columns["instance_category"].append(category)
            offset += len(missed)
        table = {name: np.concatenate(parts) for name, parts in columns.items()} if images else {}
        empty = {"kind": np.zeros(0, "U10"), "score": np.zeros(0)}
        fields = [field.name for field in dataclasses.fields(cls)]
        table = {name: table.get(name, empty.get(name, np.zeros(0, np.int64))) for name in fields}
        order = np.argsort(-table["score"], kind="stable")
        for name in ("score", "category", "kind", "target"):
            table[name] = table[name][order]
        return cls(**table)

    def count_by_category(self) -> dict[int, dict[str, int]]:
        counts: defaultdict[int, dict[str, int]] = defaultdict(
            lambda: dict.fromkeys(ERROR_KINDS, 0)
        )
        for category, kind in zip(self.category.tolist(), self.kind.tolist(), strict=True):
            if kind in ERROR_KINDS:
                counts[category][kind] += 1
        for category in self.instance_category[self.instance_missed.astype(bool)].tolist():
            counts[category]["missed"] += 1
        return dict(counts)

    def ap50(self, mended: frozenset[str]) -> float:
        """Computes AP50 as if the mended kinds of mistakes had not been made."""
        is_right = self.kind == ""
        is_mended = np.isin(self.kind, list(mended))
        # The best scored of those that mending puts on a free instance.
        moved = np.nonzero(is_mended & (self.target >= 0))[0]
        moved = moved[~self.instance_taken[self.target[moved]].astype(bool)]
        moved = moved[np.unique(self.target[moved], return_index=True)[1]]
        is_right = is_right.copy()
        is_right[moved] = True
        category = self.category.copy()
        category[moved] = self.instance_category[self.target[moved]]
        kept = (is_right | ~is_mended) & (self.kind != "crowd")
        values = []
        for category_id in np.unique(self.instance_category[self.instance_category >= 0]):
            instances = self.instance_category == category_id
            num_instances = int(instances.sum())
            if "missed" in mended:
                num_instances -= int(self.instance_missed[instances].sum())
            flags = is_right[kept & (category == category_id)]
            values.append(_average_precision(flags, num_instances))
        return float(np.mean(values)) if values else float("nan")


def _average_precision(is_right: np.ndarray, num_instances: int) -> float:
    """COCO's AP at one IoU (cocoeval.py, accumulate).

    Args:
        is_right: bool [num_detections], best score first.
        num_instances: Of the truth; where there are none left to find, nothing is lost.
    """
    if not num_instances:
        return 1.0
    if not len(is_right):
        return 0.0
    found = np.cumsum(is_right)
    precision = found / (np.arange(len(found)) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(found / num_instances, _RECALLS, side="left")
    return float(np.sum(precision[at[at < len(found)]]) / len(_RECALLS))
