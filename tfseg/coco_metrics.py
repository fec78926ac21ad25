"""COCO box and mask metrics of a list of detections (pycocotools; no TensorFlow).

Definitions: https://cocodataset.org/#detection-eval. AP is averaged over IoU .50:.05:.95 and over
categories; AP50 and AP75 are at one IoU; APs, APm and APl are for instances of under 32^2, up to
96^2 and over 96^2 pixels; ARn is the recall with n detections an image.
"""

import contextlib
import io
import json
from collections.abc import Collection
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

SUMMARY_NAMES = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
)  # fmt: skip
_IOU_TYPES = {"box": "bbox", "mask": "segm"}


def load_ground_truth(path: Path, image_ids: Collection[int] | None = None) -> COCO:
    """Reads a COCO ground-truth json, keeping the given images only.

    Args:
        path: File with images, annotations and categories.
        image_ids: Images to keep; None keeps all.

    Raises:
        ValueError: The file is missing or is not COCO.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if image_ids is not None:
            kept = set(image_ids)
            content["images"] = [image for image in content["images"] if image["id"] in kept]
            content["annotations"] = [
                annotation
                for annotation in content["annotations"]
                if annotation["image_id"] in kept
            ]
        ground_truth = COCO()
        ground_truth.dataset = content
        with contextlib.redirect_stdout(io.StringIO()):
            ground_truth.createIndex()
    except OSError as error:
        raise ValueError(f"{path}: cannot read the ground truth ({error.strerror}).") from None
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a COCO ground truth ({type(error).__name__}: {error}); expected images, "
            "annotations and categories. Build the data set again."
        ) from None
    return ground_truth


def evaluate_coco(ground_truth: COCO, coco_results: list[dict]) -> dict[str, float]:
    """Computes COCO metrics of boxes and masks.

    Args:
        ground_truth: From load_ground_truth.
        coco_results: COCO results, each with image_id, category_id, bbox, score, segmentation.

    Returns:
        `box/AP`, `box/AP50` ... (SUMMARY_NAMES) and the same under `mask/`, then
        `mask/AP/<category>` and `mask/AP50/<category>` and the same for boxes; all in 0..1, a
        category or size without ground truth is NaN.
    """
    metrics = {}
    for prefix, iou_type in _IOU_TYPES.items():
        if not coco_results:
            summary, per_category = _metrics_without_detections(ground_truth)
        else:
            summary, per_category = _run_cocoeval(ground_truth, coco_results, iou_type)
        metrics.update({f"{prefix}/{name}": value for name, value in summary.items()})
        metrics.update({f"{prefix}/{name}": value for name, value in per_category.items()})
    return metrics


def _run_cocoeval(ground_truth: COCO, coco_results: list[dict], iou_type: str):
    # loadRes writes into the dicts it is given, and takes areas from boxes where it sees one.
    if iou_type == "segm":
        results = [{k: v for k, v in result.items() if k != "bbox"} for result in coco_results]
    else:
        results = [
            {k: v for k, v in result.items() if k != "segmentation"} for result in coco_results
        ]
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(ground_truth, ground_truth.loadRes(results), iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    summary = {
        name: _nan_if_absent(value)
        for name, value in zip(SUMMARY_NAMES, evaluation.stats, strict=True)
    }
    # precision: [iou, recall, category, area, max_detections]; area 0 is "all", -1 is 100 an image.
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    per_category = {}
    for index, category_id in enumerate(evaluation.params.catIds):
        name = ground_truth.cats[category_id]["name"]
        per_category[f"AP/{name}"] = _mean_precision(precision[:, :, index])
        per_category[f"AP50/{name}"] = _mean_precision(precision[0, :, index])
    return summary, per_category


def _metrics_without_detections(ground_truth: COCO):
    has_instances = bool(ground_truth.anns)
    summary = dict.fromkeys(SUMMARY_NAMES, 0.0 if has_instances else float("nan"))
    per_category = {}
    for category_id, category in sorted(ground_truth.cats.items()):
        value = 0.0 if ground_truth.catToImgs.get(category_id) else float("nan")
        per_category[f"AP/{category['name']}"] = value
        per_category[f"AP50/{category['name']}"] = value
    return summary, per_category


def _mean_precision(precision: np.ndarray) -> float:
    present = precision[precision > -1]
    return float(present.mean()) if present.size else float("nan")


def _nan_if_absent(value: float) -> float:
    return float(value) if value > -1 else float("nan")


def format_table(metrics: dict[str, float]) -> str:
    """Returns the metrics as a table for the terminal: all categories, then each, in percent."""
    rows = [("", "box AP", "box AP50", "mask AP", "mask AP50")]
    columns = ("box/AP", "box/AP50", "mask/AP", "mask/AP50")
    rows.append(("all", *(_percent(metrics[column]) for column in columns)))
    for key in metrics:
        if key.startswith("box/AP50/"):
            name = key.removeprefix("box/AP50/")
            rows.append((name, *(_percent(metrics[f"{column}/{name}"]) for column in columns)))
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        row[0].ljust(width) + "".join(cell.rjust(11) for cell in row[1:]) for row in rows
    )


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
