"""The report's sections of figures, as HTML."""

import html

from tfseg.evaluation import metric_tables
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.reporting import comparison, tables
from tfseg.reporting.charts import calibration_chart, precision_recall_chart
from tfseg.reporting.tables import category_dot, percent


def figure_cards(run: EvaluationRun, before: EvaluationRun | None) -> str:
    """The few figures that are asked for first, large."""
    metrics = run.all_metrics
    old = before.all_metrics if before else {}
    cards = {
        f"{run.prefix}/AP": (f"{run.prefix} AP", "IoU .50 to .95, COCO"),
        f"{run.prefix}/AP50": (f"{run.prefix} AP50", "IoU .50, COCO"),
        "box/AP": ("box AP", "IoU .50 to .95, COCO"),
        "shown/precision": ("precision", "of what is shown, is right"),
        "shown/recall": ("recall", "of what is there, is shown"),
        "fgvc6/score": ("FGVC6 score", "the 2019 competition's metric"),
    }
    shown = []
    for key, (name, meaning) in cards.items():
        change = comparison.delta(metrics[key], old[key]) if old else ""
        change = f' <span class="delta">{change}</span>' if change else ""
        shown.append(
            f'<div class="figure"><b>{percent(metrics[key])}{change}</b>{name}'
            f"<span>{meaning}</span></div>"
        )
    return f'<div class="figures">{"".join(shown)}</div>'


def categories(run: EvaluationRun) -> str:
    """The table of categories, and COCO's figures."""
    metrics = run.all_metrics
    names = {i: category["name"] for i, category in sorted(run.ground_truth.cats.items())}
    counts = dict.fromkeys(names, 0)
    for annotation in run.ground_truth.anns.values():
        counts[annotation["category_id"]] += 1
    main_column = f"{run.prefix}/AP50"
    table = tables.category_table(metrics, names, counts, run.thresholds, main_column)
    second = f" and an NMS at IoU {run.thresholds.nms_iou}" if run.thresholds.nms_iou else ""
    return (
        '<p class="lead">Percent. Click a column to sort, a category to see it. Precision, recall '
        f"and F1 are of shown detections: those from the score in the last column on{second}.</p>"
        f'<div class="card">{table}</div><div class="card"><h3>COCO\'s twelve figures</h3>'
        f"{tables.coco_table(metrics)}</div>"
    )


def comparison_section(before: EvaluationRun, now: EvaluationRun, changes: list) -> str:
    """Both runs' figures, their categories, and what they find.

    Args:
        before: Judged by the same ground truth.
        now: Likewise.
        changes: From comparison.photo_changes.
    """
    old, metrics = before.all_metrics, now.all_metrics
    names = {i: category["name"] for i, category in sorted(now.ground_truth.cats.items())}
    both, gained, lost, neither = comparison.found_counts(before, now)
    better = sum(change.now > change.before for change in changes)
    figures = comparison.figures_table(old, metrics, ("before", "now"))
    table = comparison.categories_table(old, metrics, names, now.prefix)
    return (
        f'<p class="lead">Before: <code>{html.escape(before.name)}</code>. Of '
        f"{both + gained + lost + neither} instances both find {both}, only the present one "
        f'<b class="up">{gained}</b>, only the former <b class="down">{lost}</b>, neither '
        f"{neither}. {better} photos got better, {len(changes) - better} worse, "
        f"{len(now.images) - len(changes)} are the same (FGVC6 score of a photo).</p>"
        f'<div class="card">{figures}</div><div class="card">{table}</div>'
    )


def why(run: EvaluationRun) -> str:
    """What each kind of mistake costs."""
    lost = sum(run.errors.lost.values())
    return (
        f'<p class="lead">{run.prefix.capitalize()} AP50 is {percent(run.errors.ap50)}; '
        f"{percent(lost)} points are lost. What each kind of mistake costs of them (Shapley values "
        "of TIDE's kinds: they add up):</p>"
        f'<div class="card">{tables.lost_bars(run.errors)}</div>'
    )


def curves(run: EvaluationRun) -> str:
    """Precision by recall of each category."""
    metrics, all_curves = run.coco
    own = all_curves[run.prefix]
    charts = []
    for index, category_id in enumerate(run.category_ids):
        if own.precision[0, 0, index] >= 0:
            name = own.category_names[index]
            charts.append(
                f"<div><h3>{category_dot(category_id)}{html.escape(name)} "
                f'<span class="note">{percent(metrics[f"{run.prefix}/AP50/{name}"])}</span></h3>'
                f"{precision_recall_chart(own, index)}</div>"
            )
    return (
        '<p class="lead">Precision (upwards) by recall, of all detections; beside the name AP50.'
        f'</p><div class="card large"><div class="curves">{"".join(charts)}</div></div>'
    )


def confusion(run: EvaluationRun) -> str:
    """The confusion matrix."""
    table = tables.confusion_table(run.confusion, run.category_names)
    return (
        '<p class="lead">Instances by what they are (rows) and what a shown detection calls them '
        "(columns), IoU from .5; shaded by the share of the row.</p>"
        f'<div class="card">{table}</div>'
    )


def calibration(run: EvaluationRun) -> str:
    """How often scores are right."""
    error = percent(run.calibration.expected_error)
    return (
        '<p class="lead">Detections by score, and the share of them that is right (IoU from .5). '
        "On the dashed line a score is a probability; below it the model is too sure of itself. "
        f"Mean distance: {error} points.</p>"
        f'<div class="card" style="max-width:560px">{calibration_chart(run.calibration)}</div>'
    )


def definitions(run: EvaluationRun) -> str:
    """A sentence for each figure, and the values of those that stand nowhere else."""
    rows = {
        "AP (COCO)": "mean precision over 101 recalls, over IoU .50:.05:.95 and over categories "
        "(cocodataset.org/#detection-eval); AP50 and AP75 are at one IoU",
        "AP small, medium, large": "of instances under 32², up to 96² and over 96² pixels",
        **{
            f"{key}: {percent(run.all_metrics[key])}": sentence
            for key, sentence in metric_tables.OTHER_FIGURES.items()
        },
    }
    listed = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(text)}</dd>" for name, text in rows.items()
    )
    return f'<div class="card"><dl>{listed}</dl></div>'
