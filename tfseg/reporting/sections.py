"""The report's sections of figures, as HTML."""

from collections.abc import Sequence

from markupsafe import Markup

from tfseg.evaluation import coco_metrics
from tfseg.evaluation.evaluation_run import EvaluationRun
from tfseg.evaluation.metrics import METRICS, Shown, metrics_listed, metrics_shown
from tfseg.reporting import comparison, tables
from tfseg.reporting.charts import calibration_chart, precision_recall_chart
from tfseg.reporting.comparison import PhotoChange
from tfseg.reporting.pictures import Picture
from tfseg.reporting.samples import Sample
from tfseg.reporting.templates import percent, render


def figure_cards(run: EvaluationRun, before: EvaluationRun | None) -> Markup:
    """The few figures that are asked for first, large; those of masks where there are masks."""
    metrics = run.all_metrics
    cards = []
    for metric in metrics_shown(Shown.CARD):
        if metric.key.startswith("mask/") and run.prefix != "mask":
            continue
        value = metrics[metric.key]
        change = None
        if before:
            old = before.all_metrics[metric.key]
            change = comparison.delta(value, old, metric.lower_is_better)
        cards.append((metric, value, change))
    cards.sort(key=lambda card: not card[0].key.startswith(run.prefix))
    return render("figure_cards", cards=cards)


def categories(run: EvaluationRun) -> Markup:
    """The table of categories, and COCO's figures."""
    metrics = run.all_metrics
    names = _names(run)
    counts = dict.fromkeys(names, 0)
    for annotation in run.ground_truth.anns.values():
        counts[annotation["category_id"]] += 1
    main_column = f"{run.prefix}/AP50"
    return render(
        "categories",
        metrics=metrics,
        nms_iou=run.thresholds.nms_iou,
        columns=tables.category_columns(metrics),
        main_column=main_column,
        num_instances=sum(counts.values()),
        rows=tables.category_rows(metrics, names, counts, run.thresholds, main_column),
        coco_names=coco_metrics.SUMMARY_NAMES,
        coco_kinds=coco_metrics.IOU_TYPES,
    )


def attributes(run: EvaluationRun, garments: Sequence[tuple[Sample, Picture]]) -> Markup:
    """How well each attribute is told, and garments with what is said of them.

    Args:
        run: Of ground truth and detections with attributes.
        garments: From samples.choose_attribute_samples, with their pictures.
    """
    metrics = run.all_metrics
    beside = [
        (METRICS[key], metrics[key])
        for key in (
            f"{run.prefix}/AP",
            "attributes/AP_IoU_F1",
            "fgvc6/score",
            "fgvc6/score_with_attributes",
        )
    ]
    return render(
        "attributes",
        metrics=metrics,
        beside=beside,
        rows=tables.attribute_rows(run),
        garments=garments,
    )


def _names(run: EvaluationRun) -> dict[int, str]:
    return {i: category["name"] for i, category in sorted(run.ground_truth.cats.items())}


def compared(
    before: EvaluationRun,
    now: EvaluationRun,
    changes: Sequence[PhotoChange],
    better: Sequence[tuple[PhotoChange, Picture]],
    worse: Sequence[tuple[PhotoChange, Picture]],
) -> Markup:
    """Both runs' figures, their categories, what they find, and photos that changed.

    Args:
        before: Judged by the same ground truth.
        now: Likewise.
        changes: From comparison.photo_changes.
        better: Those to be shown, with their pictures.
        worse: Likewise.
    """
    num_better = sum(change.now > change.before for change in changes)
    columns = comparison.category_columns(now.prefix)
    return render(
        "compared",
        before_name=before.name,
        found=comparison.found_counts(before, now),
        num_better=num_better,
        num_worse=len(changes) - num_better,
        num_same=len(now.images) - len(changes),
        figures=comparison.figures(before.all_metrics, now.all_metrics),
        category_columns=columns.values(),
        category_rows=comparison.category_rows(
            before.all_metrics, now.all_metrics, _names(now), tuple(columns)
        ),
        found_changes=comparison.found_by_category(before, now),
        better=better,
        worse=worse,
    )


def why(run: EvaluationRun) -> Markup:
    """What each kind of mistake costs."""
    return render(
        "why",
        prefix=run.prefix,
        ap50=run.errors.ap50,
        lost=sum(run.errors.lost.values()),
        bars=tables.lost_bars(run.errors),
    )


def curves(run: EvaluationRun) -> Markup:
    """Precision by recall of each category."""
    metrics, all_curves = run.coco
    own = all_curves[run.prefix]
    shown = []
    for index, category_id in enumerate(run.category_ids):
        if own.precision[0, 0, index] >= 0:
            name = own.category_names[index]
            ap50 = metrics[f"{run.prefix}/AP50/{name}"]
            shown.append((category_id, name, ap50, precision_recall_chart(own, index)))
    return render("curves", curves=shown)


def confusion(run: EvaluationRun) -> Markup:
    """The confusion matrix."""
    rows = tables.confusion_rows(run.confusion, run.category_names)
    return render("confusion", columns=[*run.category_names, "not found"], rows=rows)


def calibration(run: EvaluationRun) -> Markup:
    """How often scores are right."""
    chart = calibration_chart(run.calibration)
    return render("calibration", error=run.calibration.expected_error, chart=chart)


def definitions(run: EvaluationRun) -> Markup:
    """A sentence for each figure, and the values of those that stand nowhere else."""
    rows = [
        (
            "AP (COCO)",
            "mean precision over 101 recalls, over IoU .50:.05:.95 and over categories "
            "(cocodataset.org/#detection-eval); AP50 and AP75 are at one IoU",
        ),
        ("AP small, medium, large", "of instances under 32², up to 96² and over 96² pixels"),
    ]
    rows += [
        (f"{metric.label}: {percent(run.all_metrics[metric.key])}", metric.explanation)
        for metric in metrics_listed(Shown.LIST, run.all_metrics)
    ]
    return render("definitions", rows=rows)
