"""What the report's tables hold, row by row, for the templates to lay out."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tfseg.evaluation import error_analysis
from tfseg.evaluation.confusion import Confusion
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.metrics import Metric, Shown, metrics_shown

_KIND_COLOURS = {
    "category": "#7a5cc9",
    "location": "#2f62b5",
    "both": "#3f8fa8",
    "duplicate": "#9a8f2d",
    "background": "#d1603d",
    "missed": "#c0392b",
}


def category_columns(metrics: Mapping[str, float]) -> list[Metric]:
    """The metrics that have a column in the table of categories, and a value."""
    shown = metrics_shown(Shown.CATEGORIES)
    return [metric for metric in shown if not math.isnan(metrics[metric.key])]


def category_rows(
    metrics: Mapping[str, float],
    names: Mapping[int, str],
    num_instances: Mapping[int, int],
    thresholds,
    main_column: str,
) -> list[dict]:
    """Lists the metrics of each category, from the best down.

    Args:
        metrics: Of EvaluationRun.all_metrics.
        names: By category id.
        num_instances: Of the ground truth, by category id.
        thresholds: What is shown, thresholds.Thresholds.
        main_column: The one to sort by, as "mask/AP50".

    Returns:
        category_id, name, num_instances, threshold, and the values by the metrics' keys.
    """

    def rank(category_id):
        value = metrics[f"{main_column}/{names[category_id]}"]
        return math.inf if math.isnan(value) else -value

    return [
        {
            "category_id": category_id,
            "name": names[category_id],
            "num_instances": num_instances.get(category_id, 0),
            "threshold": thresholds.of_category(names[category_id]),
            **{
                metric.key: metrics.get(f"{metric.key}/{names[category_id]}", math.nan)
                for metric in category_columns(metrics)
            },
        }
        for category_id in sorted(names, key=rank)
    ]


def attribute_rows(run: EvaluationRun) -> list[dict]:
    """Lists how well each attribute is told, the commonest first.

    Returns:
        name, num_instances (of the ground truth, that have it), num_found (of those, by a shown
        detection), threshold, AP and F1 (NaN where nothing found has it).
    """
    found = run.found_attributes
    assert found is not None, "the section is left out then"
    in_truth = np.zeros(len(run.attribute_names), int)
    for image, attributes in zip(run.images, run.attributes, strict=True):
        in_truth += attributes.truth[~image.truth_is_crowd].sum(axis=0)
    columns = zip(
        run.attribute_names.items(),
        in_truth.tolist(),
        found.truth.sum(axis=0).tolist(),
        found.average_precision().tolist(),
        found.f1().tolist(),
        strict=True,
    )
    rows = [
        {
            "name": name,
            "num_instances": num_instances,
            "num_found": num_found,
            "threshold": run.attribute_threshold(attribute_id),
            "AP": average_precision,
            "F1": f1,
        }
        for (attribute_id, name), num_instances, num_found, average_precision, f1 in columns
    ]
    return sorted(rows, key=lambda row: -row["num_instances"])


def lost_bars(errors: error_analysis.ErrorAnalysis) -> list[dict]:
    """Lists what each kind of mistake costs, the dearest first; width is in percent of it."""
    dearest = max(errors.lost.values()) or 1
    bars = []
    for kind in sorted(errors.lost, key=lambda kind: -errors.lost[kind]):
        name, _, meaning = error_analysis.ERROR_KINDS[kind].partition(":")
        bars.append(
            {
                "name": name,
                "meaning": meaning.strip(),
                "colour": _KIND_COLOURS[kind],
                "width": 100 * errors.lost[kind] / dearest,
                "lost": errors.lost[kind],
                "gain": errors.gain[kind],
                "count": sum(row[kind] for row in errors.counts.values()),
            }
        )
    return bars


def confusion_rows(confusion: Confusion, names: Sequence[str]) -> list[tuple[str, list[dict]]]:
    """Lists the confusion matrix's rows, each with its cells, shaded by their share of the row.

    Args:
        confusion: Of EvaluationRun.confusion.
        names: In the order of confusion.category_ids.
    """
    columns = [*names, "not found"]
    rows = []
    for index, name in enumerate([*names, "nothing there"]):
        counts = confusion.counts[index]
        total = max(int(counts.sum()), 1)
        cells = [
            {
                "count": count,
                "tone": count and ("good" if column == index else "bad"),
                "strength": round(88 * count / total),
                "title": f"{name} taken for {columns[column]}: {count} of {total}",
            }
            for column, count in enumerate(counts.tolist())
        ]
        if index == len(names):  # nothing there, and nothing found
            cells[-1] = {"count": 0, "tone": "", "strength": 0, "title": ""}
        rows.append((name, cells))
    return rows
