"""The metrics of tfseg.evaluate as tables for the terminal."""

import math

from tfseg.evaluation import coco_metrics, error_analysis
from tfseg.evaluation.metrics import Shown, metrics_listed


def format_all(metrics: dict[str, float]) -> str:
    """Returns COCO's table, the other figures and what the lost AP50 is lost to, in percent."""
    listed = {metric.key: metric.explanation for metric in metrics_listed(Shown.LIST, metrics)}
    blocks = [coco_metrics.format_table(metrics), _figures(metrics, listed)]
    names = _attributes_with_value(metrics)
    if names:
        rows = []
        for name in names:
            figures = (_percent(metrics[f"attributes/{kind}/{name}"]) for kind in ("AP", "F1"))
            rows.append("  ".join([*(figure.rjust(6) for figure in figures), name]))
        blocks.append("\n".join(["Attributes:", "    AP      F1", *rows]))
    kinds = {f"lost_AP50/{kind}": text for kind, text in error_analysis.ERROR_KINDS.items()}
    total = sum(metrics[key] for key in kinds)
    if total > 0:
        blocks.append(f"AP50 lost ({_percent(total)}), and to what:\n{_figures(metrics, kinds)}")
    return "\n\n".join(blocks)


def _attributes_with_value(metrics: dict[str, float]) -> list[str]:
    """The attributes that a found instance has, in the order of metrics."""
    prefix = "attributes/F1/"
    keys = [
        key for key, value in metrics.items() if key.startswith(prefix) and not math.isnan(value)
    ]
    return [key.removeprefix(prefix) for key in keys]


def _figures(metrics: dict[str, float], sentences: dict[str, str]) -> str:
    return "\n".join(
        f"{_percent(metrics[key]).rjust(6)}  {key.ljust(31)}  {sentence}"
        for key, sentence in sentences.items()
    )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
