"""The report's charts, as inline SVG."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

from tfseg.evaluation.coco_metrics import PrecisionRecall
from tfseg.evaluation.confusion import Calibration

_COLOURS = ("var(--accent)", "#d1603d")


def curve_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    x_title: str,
    y_title: str,
    *,
    size: tuple[int, int] = (760, 300),
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    diagonal: bool = False,
) -> str:
    """Draws lines through points; empty where there is neither a point nor a range.

    Args:
        curves: (x, y) points by name; the names go into a legend where there are several.
        x_title: Under the horizontal axis.
        y_title: What the values are, read by screen readers.
        size: Width and height, SVG units.
        x_range: Of the axis; that of the points, from 0, by default.
        y_range: Likewise.
        diagonal: Draw the line where y is x.
    """
    points = [point for curve in curves.values() for point in curve]
    if not points and not (x_range and y_range):
        return ""
    x_low, x_high = x_range or (0, max(x for x, _ in points) or 1)
    y_low, y_high = y_range or (0, max(y for _, y in points) or 1)
    left, top, right, bottom = 38, 8, 8, 32
    width, height = size[0] - left - right, size[1] - top - bottom

    def place(x, y):
        across = left + width * (x - x_low) / (x_high - x_low)
        return f"{across:.1f},{top + height * (1 - (y - y_low) / (y_high - y_low)):.1f}"

    parts = [
        f'<svg viewBox="0 0 {size[0]} {size[1]}" role="img" '
        f'aria-label="{html.escape(y_title)} by {html.escape(x_title)}">'
    ]
    num_ticks = 4 if size[0] > 400 else 2
    for tick in range(num_ticks + 1):
        share = tick / num_ticks
        x, y = left + width * share, top + height * (1 - share)
        anchor = "middle" if 0 < tick < num_ticks else ("start" if tick == 0 else "end")
        parts.append(
            f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">'
            f"{_number(y_low + (y_high - y_low) * share)}</text>"
            f'<text x="{x:.1f}" y="{top + height + 14}" text-anchor="{anchor}">'
            f"{_number(x_low + (x_high - x_low) * share)}</text>"
        )
    parts.append(
        f'<text x="{left + width / 2:.0f}" y="{size[1] - 4}" text-anchor="middle">'
        f"{html.escape(x_title)}</text>"
    )
    if diagonal:
        ends = f"{place(x_low, y_low)} {place(x_high, y_high)}"
        parts.append(f'<polyline class="axis" points="{ends}" fill="none" stroke-dasharray="4 4"/>')
    for index, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[index % len(_COLOURS)]
        line = " ".join(place(x, y) for x, y in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(curves) > 1:
            y = top + 10 + 15 * index
            parts.append(
                f'<text x="{left + width - 4}" y="{y}" text-anchor="end" style="fill:{colour}">'
                f"{html.escape(name)}</text>"
            )
    return "".join([*parts, "</svg>"])


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.2g}"


def precision_recall_chart(curve: PrecisionRecall, index: int) -> str:
    """Draws one category's precision by recall, at IoU .5 and .75."""
    curves = {}
    for name, iou_index in (("IoU .50", 0), ("IoU .75", 5)):
        precision = curve.precision[iou_index, :, index]
        reached = int((precision > 0).sum())  # beyond, no detection has that recall
        curves[name] = list(
            zip(curve.recalls[:reached].tolist(), precision[:reached].tolist(), strict=True)
        )
    return curve_chart(
        curves, "recall", "precision", size=(240, 170), x_range=(0, 1), y_range=(0, 1)
    )


def calibration_chart(calibration: Calibration) -> str:
    """Draws the share of right detections by score; the area of a dot follows their number."""
    filled = calibration.counts > 0
    points = list(
        zip(
            calibration.mean_scores[filled].tolist(),
            calibration.precision[filled].tolist(),
            strict=True,
        )
    )
    chart = curve_chart(
        {"": points},
        "score",
        "share that is right",
        size=(460, 300),
        x_range=(0, 1),
        y_range=(0, 1),
        diagonal=True,
    )
    radii = 3 + 9 * np.sqrt(calibration.counts[filled] / max(calibration.counts.max(), 1))
    dots = "".join(
        f'<circle cx="{38 + 414 * score:.1f}" cy="{8 + 260 * (1 - share):.1f}" r="{radius:.1f}" '
        f'fill="var(--accent)" fill-opacity=".55"><title>score {score:.2f}: {share:.0%} of '
        f"{count} right</title></circle>"
        for (score, share), radius, count in zip(
            points, radii, calibration.counts[filled], strict=True
        )
    )
    return chart.replace("</svg>", dots + "</svg>")
