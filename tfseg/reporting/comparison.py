"""Two runs on the same photos: what got better, what got worse, and where."""

import dataclasses
import math
from collections import Counter
from collections.abc import Mapping

from tfseg.evaluation.competition_metrics import fgvc6_image_score
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.metrics import METRICS, Metric, Shown, metrics_shown


@dataclasses.dataclass(frozen=True)
class PhotoChange:
    """A photo that changed, by its FGVC6 score (shown detections) before and now."""

    image_id: int
    before: float
    now: float


def photo_changes(before: EvaluationRun, now: EvaluationRun) -> list[PhotoChange]:
    """Returns all photos that changed, the most improved first.

    Args:
        before: Judged by the same ground truth.
        now: Likewise.
    """
    changes = [
        PhotoChange(old.image_id, fgvc6_image_score(old), fgvc6_image_score(new))
        for old, new in zip(before.shown_images, now.shown_images, strict=True)
    ]
    changes = [change for change in changes if abs(change.now - change.before) > 1e-9]
    return sorted(changes, key=lambda change: change.before - change.now)


def found_counts(before: EvaluationRun, now: EvaluationRun) -> tuple[int, int, int, int]:
    """Counts instances found (IoU .5, shown detections): by both, now only, before only, none."""
    both = gained = lost = neither = 0
    for old, new in zip(before.shown_images, now.shown_images, strict=True):
        found_old, found_new = ({*image.match(0.5).tolist()} for image in (old, new))
        for column in range(len(new.annotation_ids)):
            if new.truth_is_crowd[column]:
                continue
            was, is_now = column in found_old, column in found_new
            both += was and is_now
            gained += is_now and not was
            lost += was and not is_now
            neither += not was and not is_now
    return both, gained, lost, neither


@dataclasses.dataclass(frozen=True)
class FoundChange:
    """A category's instances that one of two runs found alone, and where.

    Attributes:
        num_gained: Found by the present run only (IoU .5, shown detections).
        num_lost: By the former only.
        better: Ids of the photos with more of them found, the largest gain first.
        worse: With fewer, the largest loss first.
    """

    num_gained: int
    num_lost: int
    better: tuple[int, ...]
    worse: tuple[int, ...]


def found_by_category(before: EvaluationRun, now: EvaluationRun) -> dict[int, FoundChange]:
    """Returns what became of each category's instances, by category id; crowds do not count."""
    gained: dict[int, Counter[int]] = {}
    lost: dict[int, Counter[int]] = {}
    for old, new in zip(before.shown_images, now.shown_images, strict=True):
        found_old, found_new = ({*image.match(0.5).tolist()} for image in (old, new))
        for column, category_id in enumerate(new.truth_category_ids.tolist()):
            was, is_now = column in found_old, column in found_new
            if was == is_now or new.truth_is_crowd[column]:
                continue
            changed = gained if is_now else lost
            changed.setdefault(category_id, Counter())[new.image_id] += 1
    changes = {}
    for category_id in gained.keys() | lost.keys():
        more, fewer = gained.get(category_id, Counter()), lost.get(category_id, Counter())
        changes[category_id] = FoundChange(
            more.total(),
            fewer.total(),
            tuple(image_id for image_id, _ in (more - fewer).most_common()),
            tuple(image_id for image_id, _ in (fewer - more).most_common()),
        )
    return changes


@dataclasses.dataclass(frozen=True)
class Change:
    """A difference in points as it is written.

    Attributes:
        text: Such as "+1.3".
        tone: The class that colours it: up for better, down for worse, note for neither.
    """

    text: str
    tone: str


def delta(now: float, before: float, lower_is_better: bool = False) -> Change | None:
    """Returns the difference; None where one of the two has no value."""
    if math.isnan(now) or math.isnan(before):
        return None
    points = 100 * (now - before)
    if abs(points) < 0.05:
        return Change("±0.0", "note")
    return Change(f"{points:+.1f}", "up" if (points > 0) != lower_is_better else "down")


def figures(
    before: Mapping[str, float], now: Mapping[str, float]
) -> list[tuple[Metric, float, float, Change | None]]:
    """Lists the metrics that are compared, each before, now, and its change."""
    return [
        (metric, old, new, delta(new, old, metric.lower_is_better))
        for metric in metrics_shown(Shown.COMPARISON)
        for old, new in [(before[metric.key], now[metric.key])]
        if not (math.isnan(old) and math.isnan(new))
    ]


def category_columns(prefix: str) -> dict[str, str]:
    """Titles of the metrics that are compared category by category, by their keys."""
    return {f"{prefix}/AP": "AP", f"{prefix}/AP50": "AP50", "shown/f1": METRICS["shown/f1"].label}


def category_rows(
    before: Mapping[str, float],
    now: Mapping[str, float],
    names: Mapping[int, str],
    keys: tuple[str, ...],
) -> list[dict]:
    """Lists each category's metrics before and now, the most improved (second key) first."""

    def gain(category_id):
        key = f"{keys[1]}/{names[category_id]}"
        change = now[key] - before[key]
        return math.inf if math.isnan(change) else -change

    rows = []
    for category_id in sorted(names, key=gain):
        full = [f"{key}/{names[category_id]}" for key in keys]
        values = [(before[key], now[key], delta(now[key], before[key])) for key in full]
        rows.append({"category_id": category_id, "name": names[category_id], "changes": values})
    return rows
