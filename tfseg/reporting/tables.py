"""The report's tables, as HTML."""

import html
import math
from collections.abc import Mapping, Sequence

from tfseg.evaluation import coco_metrics, error_analysis
from tfseg.evaluation.confusion import Confusion
from tfseg.structures.visualize import category_color

_KIND_COLOURS = {
    "category": "#7a5cc9",
    "location": "#2f62b5",
    "both": "#3f8fa8",
    "duplicate": "#9a8f2d",
    "background": "#d1603d",
    "missed": "#c0392b",
}
_COLUMNS = (
    ("mask/AP", "mask AP"),
    ("mask/AP50", "mask AP50"),
    ("mask/AP75", "mask AP75"),
    ("box/AP", "box AP"),
    ("box/AP50", "box AP50"),
    ("mask/APs", "AP small"),
    ("mask/APm", "AP medium"),
    ("mask/APl", "AP large"),
    ("shown/precision", "precision"),
    ("shown/recall", "recall"),
    ("shown/f1", "F1"),
)


def percent(value: float) -> str:
    """Returns "41.3", or "–" where there is no value."""
    return "–" if math.isnan(value) else f"{100 * value:.1f}"


def category_dot(category_id: int) -> str:
    """A square in the category's colour."""
    red, green, blue = category_color(category_id)
    return f'<i class="dot" style="background:rgb({red},{green},{blue})"></i>'


def anchor(name: str) -> str:
    """The id of a category's strips on the page."""
    return "category-" + "".join(c if c.isalnum() else "-" for c in name)


def category_table(
    metrics: Mapping[str, float],
    names: Mapping[int, str],
    num_instances: Mapping[int, int],
    thresholds,
    main_column: str,
) -> str:
    """Lays out the metrics of all and of each category, from the best down; sorted by a click.

    Args:
        metrics: Of EvaluationRun.all_metrics.
        names: By category id.
        num_instances: Of the ground truth, by category id.
        thresholds: What is shown, thresholds.Thresholds.
        main_column: The one to sort by, and drawn as a bar, as "mask/AP50".
    """
    columns = [column for column in _COLUMNS if not math.isnan(metrics[column[0]])]
    head = "".join(f"<th>{title}</th>" for _, title in columns)
    rows = [
        "<tr class=total><td>all</td>"
        + "".join(_cell(metrics[key], key == main_column) for key, _ in columns)
        + f"<td>{sum(num_instances.values())}</td><td></td></tr>"
    ]

    def rank(category_id):
        value = metrics[f"{main_column}/{names[category_id]}"]
        return math.inf if math.isnan(value) else -value

    for category_id in sorted(names, key=rank):
        name = names[category_id]
        cells = "".join(_cell(metrics[f"{k}/{name}"], k == main_column) for k, _ in columns)
        weak = "" if num_instances.get(category_id) else " class=weak"
        rows.append(
            f'<tr{weak}><td><a href="#{anchor(name)}">{category_dot(category_id)}'
            f"{html.escape(name)}</a></td>{cells}<td>{num_instances.get(category_id, 0)}</td>"
            f"<td>{thresholds.of_category(name):.2f}</td></tr>"
        )
    return (
        f'<div class="scroll"><table class="sortable"><thead><tr><th>category</th>{head}'
        f"<th>instances</th><th>score from</th></tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "</div>"
    )


def _cell(value: float, as_bar: bool) -> str:
    shown = percent(value)
    bar = ""
    if as_bar and not math.isnan(value):
        bar = f'<span class="bar"><i style="width:{100 * value:.0f}%"></i></span>'
    data = "" if math.isnan(value) else f"{value:.6f}"
    return f'<td data-value="{data}">{shown}{bar}</td>'


def coco_table(metrics: Mapping[str, float]) -> str:
    """Lays out COCO's twelve figures of boxes and of masks."""
    head = "".join(f"<th>{name}</th>" for name in coco_metrics.SUMMARY_NAMES)
    rows = "".join(
        f"<tr><td>{kind}</td>"
        + "".join(f"<td>{percent(metrics[f'{kind}/{n}'])}</td>" for n in coco_metrics.SUMMARY_NAMES)
        + "</tr>"
        for kind in coco_metrics.IOU_TYPES
    )
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{rows}</tbody>'
        "</table></div>"
    )


def lost_bars(errors: error_analysis.ErrorAnalysis) -> str:
    """Draws what each kind of mistake costs, the dearest first."""
    dearest = max(errors.lost.values()) or 1
    totals = {
        kind: sum(row[kind] for row in errors.counts.values())
        for kind in error_analysis.ERROR_KINDS
    }
    rows = []
    for kind in sorted(errors.lost, key=lambda kind: -errors.lost[kind]):
        name, _, meaning = error_analysis.ERROR_KINDS[kind].partition(":")
        width = 100 * errors.lost[kind] / dearest
        rows.append(
            f'<div class="loss"><span>{name}</span>'
            f'<span class="track"><i style="width:{width:.1f}%;'
            f'background:{_KIND_COLOURS[kind]}"></i></span>'
            f"<b>{100 * errors.lost[kind]:.1f}</b>"
            f"<small>{meaning.strip()} · {totals[kind]} of them · alone mended, AP50 would gain "
            f"{100 * errors.gain[kind]:.1f}</small></div>"
        )
    return "".join(rows)


def confusion_table(confusion: Confusion, names: Sequence[str]) -> str:
    """Lays out the confusion matrix, each row shaded by its shares.

    Args:
        confusion: Of EvaluationRun.confusion.
        names: In the order of confusion.category_ids.
    """
    columns = [*map(html.escape, names), "not found"]
    head = "".join(f"<th>{name}</th>" for name in columns)
    rows = []
    for index, name in enumerate([*map(html.escape, names), "nothing there"]):
        counts = confusion.counts[index]
        total = max(int(counts.sum()), 1)
        cells = []
        for column, count in enumerate(counts.tolist()):
            tone = "var(--good)" if column == index else "var(--bad)"
            strength = round(88 * count / total)
            style = f"background:color-mix(in srgb,{tone} {strength}%,transparent)" if count else ""
            title = f"{name} taken for {columns[column]}: {count} of {total}"
            shown = count or ""
            if index == column == len(names):
                shown = style = title = ""
            cells.append(f'<td style="{style}" title="{title}">{shown}</td>')
        rows.append(f"<tr><th>{name}</th>{''.join(cells)}</tr>")
    return (
        '<div class="scroll"><table class="matrix"><thead><tr><th>truth ↓ &nbsp; found →</th>'
        f"{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
