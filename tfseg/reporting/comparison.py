"""Two runs on the same photos: what got better, what got worse, and where."""

import dataclasses
import html
import math
from collections.abc import Mapping

from tfseg.evaluation.competition_metrics import fgvc6_image_score
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.reporting.tables import category_dot, percent

_FIGURES = (
    ("mask/AP", "mask AP"),
    ("mask/AP50", "mask AP50"),
    ("box/AP", "box AP"),
    ("box/AP50", "box AP50"),
    ("shown/precision", "precision"),
    ("shown/recall", "recall"),
    ("shown/f1", "F1"),
    ("fgvc6/score", "FGVC6"),
    ("matterport/mAP50", "Matterport mAP50"),
    ("calibration/expected_error", "calibration error"),
)


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


def delta(now: float, before: float) -> str:
    """Returns the difference in points, coloured; empty where there is none."""
    if math.isnan(now) or math.isnan(before):
        return ""
    points = 100 * (now - before)
    if abs(points) < 0.05:
        return '<span class="note">±0.0</span>'
    tone = "up" if points > 0 else "down"
    return f'<span class="{tone}">{points:+.1f}</span>'


def figures_table(
    before: Mapping[str, float], now: Mapping[str, float], names: tuple[str, str]
) -> str:
    """Lays out both runs' figures and their differences."""
    rows = "".join(
        f"<tr><td>{title}</td><td>{percent(before[key])}</td><td>{percent(now[key])}</td>"
        f"<td>{_inverted(key, now[key], before[key])}</td></tr>"
        for key, title in _FIGURES
        if not (math.isnan(before[key]) and math.isnan(now[key]))
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{heads}<th>difference</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _inverted(key: str, now: float, before: float) -> str:
    """An error that falls is an improvement: the sign stays, the colour turns."""
    text = delta(now, before)
    if key != "calibration/expected_error":
        return text
    swap = {"up": "down", "down": "up"}
    for old, new in swap.items():
        if f'class="{old}"' in text:
            return text.replace(f'class="{old}"', f'class="{new}"')
    return text


def categories_table(
    before: Mapping[str, float], now: Mapping[str, float], names: Mapping[int, str], prefix: str
) -> str:
    """Lays out each category's AP and AP50 before and now, the most improved first."""
    columns = [(f"{prefix}/AP", "AP"), (f"{prefix}/AP50", "AP50"), ("shown/f1", "F1")]

    def gain(category_id):
        key = f"{prefix}/AP50/{names[category_id]}"
        change = now[key] - before[key]
        return math.inf if math.isnan(change) else -change

    head = "".join(f"<th>{title} before</th><th>now</th><th>±</th>" for _, title in columns)
    rows = []
    for category_id in sorted(names, key=gain):
        name = names[category_id]
        cells = ""
        for key, _ in columns:
            old, new = before[f"{key}/{name}"], now[f"{key}/{name}"]
            change = "" if math.isnan(new - old) else f"{new - old:.6f}"
            cells += (
                f"<td>{percent(old)}</td><td>{percent(new)}</td>"
                f'<td data-value="{change}">{delta(new, old)}</td>'
            )
        label = f"{category_dot(category_id)}{html.escape(name)}"
        rows.append(f"<tr><td>{label}</td>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr><th>category</th>{head}</tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
