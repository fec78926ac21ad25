"""The metrics of tfseg.evaluate as tables for the terminal."""

import math

from tfseg.evaluation import coco_metrics, error_analysis

# Name, and one sentence what it is.
OTHER_FIGURES = {
    "matterport/mAP50": "Matterport's mAP@IoU=50: mean over images of each one's AP over all its "
    "detections (mrcnn/utils.py, compute_ap)",
    "matterport/mAP50_from_score_0.7": "the same of detections of score 0.7 or more, its default",
    "fgvc6/score": "iMaterialist 2019: mean over images and IoU .50:.05:.95 of TP / (TP + FP + "
    "FN), of shown detections (kaggle.com/c/imaterialist-fashion-2019-FGVC6)",
    "fgvc6/score_of_all": "the same of all detections",
    "shown/precision": "share of shown detections that are right (their category, IoU from .5)",
    "shown/recall": "share of instances that a shown detection finds",
    "shown/f1": "harmonic mean of the two",
    "calibration/expected_error": "mean distance of a score from the share that is right (Guo et "
    "al., 2017, ten bins)",
}


def format_all(metrics: dict[str, float]) -> str:
    """Returns COCO's table, the other figures and what the lost AP50 is lost to, in percent."""
    blocks = [coco_metrics.format_table(metrics), _figures(metrics, OTHER_FIGURES)]
    kinds = {f"lost_AP50/{kind}": text for kind, text in error_analysis.ERROR_KINDS.items()}
    total = sum(metrics[key] for key in kinds)
    if total > 0:
        blocks.append(f"AP50 lost ({_percent(total)}), and to what:\n{_figures(metrics, kinds)}")
    return "\n\n".join(blocks)


def _figures(metrics: dict[str, float], sentences: dict[str, str]) -> str:
    return "\n".join(
        f"{_percent(metrics[key]).rjust(6)}  {key.ljust(31)}  {sentence}"
        for key, sentence in sentences.items()
    )


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f}"
