"""COCO box and mask metrics of a list of detections, in C++ (faster-coco-eval; no TensorFlow).

Definitions: https://cocodataset.org/#detection-eval. AP is averaged over IoU .50:.05:.95 and over
categories; AP50 and AP75 are at one IoU; APs, APm and APl are for instances of under 32^2, up to
96^2 and over 96^2 pixels; ARn is the recall with n detections an image and category. The figures
are pycocotools' own, a test holds them to it.
"""

import dataclasses
from collections.abc import Collection
from pathlib import Path

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster
from pycocotools import mask as coco_mask

from tfseg.evaluation.instance_matching import rle_from_segmentation
from tfseg.structures import coco_values

SUMMARY_NAMES = (
    "AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl",
)  # fmt: skip
IOU_TYPES = {"box": "bbox", "mask": "segm"}
_RECALLS = np.linspace(0.0, 1.0, 101)

# (is precision, IoU index or all, area index, max detections index), as cocoeval.py, _summarizeDets
_FIGURES = {
    "AP": (True, None, 0, 2),
    "AP50": (True, 0, 0, 2),
    "AP75": (True, 5, 0, 2),
    "APs": (True, None, 1, 2),
    "APm": (True, None, 2, 2),
    "APl": (True, None, 3, 2),
    "AR1": (False, None, 0, 0),
    "AR10": (False, None, 0, 1),
    "AR100": (False, None, 0, 2),
    "ARs": (False, None, 1, 2),
    "ARm": (False, None, 2, 2),
    "ARl": (False, None, 3, 2),
}


@dataclasses.dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """Precision by recall of each category, all sizes, at most 100 detections an image.

    Attributes:
        category_names: In the order of the ids.
        recalls: float64 [101], 0..1.
        precision: float64 [10, 101, num_categories] by IoU (.50:.05:.95), recall and category;
            -1 for a category without ground truth.
        scores: Of the same shape: the score at which that recall is reached.
    """

    category_names: tuple[str, ...]
    recalls: np.ndarray
    precision: np.ndarray
    scores: np.ndarray


def load_ground_truth(path: Path, image_ids: Collection[int] | None = None) -> COCO:
    """Reads a COCO ground-truth json, keeping the given images only.

    Args:
        path: File with images, annotations and categories.
        image_ids: Images to keep; None keeps all.

    Raises:
        ValueError: The file is missing or is not COCO.
    """
    try:
        content = coco_values.read_json(path)
        _check_lists(content)
        if image_ids is not None:
            kept = set(image_ids)
            content["images"] = [image for image in content["images"] if image["id"] in kept]
            content["annotations"] = [
                annotation
                for annotation in content["annotations"]
                if annotation["image_id"] in kept
            ]
        ground_truth = ground_truth_from_content(content)
    except OSError as error:
        raise ValueError(f"{path}: cannot read the ground truth ({error.strerror}).") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: not a COCO ground truth ({type(error).__name__}: {error}); expected images, "
            "annotations and categories. Build the data set again."
        ) from None
    return ground_truth


def _check_lists(content: object) -> None:
    if not isinstance(content, dict):
        raise TypeError(f"a {type(content).__name__}, as results are, expected an object")
    for key in ("images", "annotations", "categories"):
        if not isinstance(content[key], list):
            raise TypeError(f"{key} is no list")


def _id(entry: dict, key: str, where: str) -> int:
    number = coco_values.whole_number(entry[key])
    if number is None:
        raise ValueError(f"{where} has {key} {str(entry[key])[:40]!r}, expected a whole number")
    return number


def ground_truth_from_content(content: dict) -> COCO:
    """Indexes COCO's images, annotations and categories.

    What files of other makers may lack is added to the content: iscrowd, and the masks' boxes and
    areas. Annotations are numbered anew, from 1.

    Raises:
        KeyError: One of the three lists, or another field of theirs, is missing.
        ValueError: A value is not what it should be; the message names the annotation.
    """
    _check_lists(content)
    for entry in (*content["images"], *content["categories"]):
        entry["id"] = _id(entry, "id", "an image or category")
    images = {image["id"]: image for image in content["images"]}
    for number, annotation in enumerate(content["annotations"], start=1):
        where = f"annotation {annotation.get('id', number)}"
        for key in ("image_id", "category_id"):
            annotation[key] = _id(annotation, key, where)
        # pycocotools takes the id 0 for "not found", and of two with one id forgets the first.
        annotation["id"] = number
        try:
            annotation["iscrowd"] = int(coco_values.is_crowd(annotation))
        except ValueError as error:
            raise ValueError(f"{where} {error}") from None
        segmentation = annotation.get("segmentation")
        if not segmentation:
            raise ValueError(
                f"{where} has no mask (segmentation {segmentation!r}); masks are judged here: give "
                "a ground truth whose annotations all have one"
            )
        if not {"area", "bbox"} <= annotation.keys():  # without an area all would count as small
            image = images[annotation["image_id"]]
            rle = rle_from_segmentation(segmentation, image["height"], image["width"])
            annotation.setdefault("area", float(coco_mask.area(rle)))
            annotation.setdefault("bbox", coco_mask.toBbox(rle).tolist())
    ground_truth = COCO()
    ground_truth.dataset = content
    ground_truth.createIndex()
    return ground_truth


def category_names(ground_truth: COCO) -> tuple[str, ...]:
    """Returns the names in the order of the ids."""
    return tuple(category["name"] for _, category in sorted(ground_truth.cats.items()))


def evaluate_coco(ground_truth: COCO, coco_results: list[dict]) -> dict[str, float]:
    """Computes COCO metrics of boxes and masks.

    Args:
        ground_truth: From load_ground_truth.
        coco_results: COCO results, each with image_id, category_id, bbox, score, segmentation. They
            are not changed. Where none has a segmentation, the mask metrics are NaN.

    Returns:
        `box/AP`, `box/AP50` ... (SUMMARY_NAMES) and the same under `mask/`, then
        `mask/AP/<category>`, `mask/AP50/<category>` ... and the same for boxes; all in 0..1, a
        category or size without ground truth is NaN.
    """
    return evaluate_coco_curves(ground_truth, coco_results)[0]


def evaluate_coco_curves(
    ground_truth: COCO, coco_results: list[dict]
) -> tuple[dict[str, float], dict[str, PrecisionRecall]]:
    """Computes evaluate_coco's metrics, and the curves they are of under "box" and "mask"."""
    metrics, curves = {}, {}
    has_masks = not coco_results or any("segmentation" in result for result in coco_results)
    for prefix, iou_type in IOU_TYPES.items():
        precision, recall, scores = _run_cocoeval(ground_truth, coco_results, iou_type)
        if prefix == "mask" and not has_masks:
            precision, recall = np.full_like(precision, -1.0), np.full_like(recall, -1.0)
        names = category_names(ground_truth)
        curves[prefix] = PrecisionRecall(names, _RECALLS, precision[..., 0, 2], scores[..., 0, 2])
        for figure in SUMMARY_NAMES:
            metrics[f"{prefix}/{figure}"] = _figure(figure, precision, recall)
        for index, name in enumerate(names):
            chosen = precision[:, :, index : index + 1], recall[:, index : index + 1]
            for figure in SUMMARY_NAMES:
                metrics[f"{prefix}/{figure}/{name}"] = _figure(figure, *chosen)
    return metrics, curves


def _run_cocoeval(ground_truth: COCO, coco_results: list[dict], iou_type: str):
    """Returns precision and scores [iou, recall, category, area, max_detections], recall without 1.

    Where there is no ground truth the values are -1.
    """
    # loadRes writes into the dicts it is given, and takes areas from boxes where it sees one.
    left_out = "bbox" if iou_type == "segm" else "segmentation"
    results = [
        {key: value for key, value in result.items() if key != left_out} for result in coco_results
    ]
    if iou_type == "segm":
        results = [result for result in results if "segmentation" in result]
    evaluation = COCOeval_faster(ground_truth, ground_truth.loadRes(results), iou_type)
    evaluation.evaluate()
    evaluation.accumulate()
    return tuple(np.asarray(evaluation.eval[key]) for key in ("precision", "recall", "scores"))


def _figure(name: str, precision: np.ndarray, recall: np.ndarray) -> float:
    is_precision, iou_index, area_index, detections_index = _FIGURES[name]
    values = (precision if is_precision else recall)[..., area_index, detections_index]
    values = values if iou_index is None else values[iou_index]
    present = values[values > -1]
    return float(present.mean()) if present.size else float("nan")


def format_table(metrics: dict[str, float]) -> str:
    """Returns the metrics as a table for the terminal: all categories, then each, in percent."""
    columns = ("box/AP", "box/AP50", "mask/AP", "mask/AP50", "mask/APs", "mask/APm", "mask/APl")
    rows = [("", *(column.replace("/", " ") for column in columns))]
    rows.append(("all", *(_percent(metrics[column]) for column in columns)))
    for name in [k.removeprefix("box/AP50/") for k in metrics if k.startswith("box/AP50/")]:
        rows.append((name, *(_percent(metrics[f"{column}/{name}"]) for column in columns)))
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        row[0].ljust(width) + "".join(cell.rjust(11) for cell in row[1:]) for row in rows
    )


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{100 * value:.1f}"
