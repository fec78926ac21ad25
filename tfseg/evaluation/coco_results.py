"""COCO results files: any maker's, checked against the ground truth they are of.

Format: https://cocodataset.org/#format-results, a list of {image_id, category_id, bbox, score,
segmentation}, bbox as [x, y, width, height]; bbox or segmentation may be missing. attribute_ids,
as in Fashionpedia's results, or attribute_scores may be there too.
"""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from tfseg.evaluation.image_attributes import attribute_names
from tfseg.evaluation.instance_matching import rle_from_segmentation
from tfseg.io.atomic_files import write_whole
from tfseg.structures.coco_values import read_json, whole_number
from tfseg.structures.detections import checked_counts


def read_results(path: str | Path, ground_truth) -> list[dict]:
    """Reads a COCO results json.

    Args:
        path: The file.
        ground_truth: From coco_metrics.load_ground_truth.

    Returns:
        COCO results with all of image_id, category_id, bbox and score, and segmentation as a
        compressed RLE where the file has masks; a missing bbox is the mask's; attribute_ids and
        attribute_scores where an entry has them.

    Raises:
        ValueError: The file is missing, is not COCO results, or is not of this ground truth.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}).") from None
    except ValueError as error:
        raise ValueError(f"{path}: not valid json ({error}).") from None
    if not isinstance(content, list):
        raise ValueError(
            f"{path}: a json {type(content).__name__}, expected a list of COCO results, one entry "
            "for a detection (image_id, category_id, bbox, score, segmentation)."
        )
    results = []
    ids = {name: number for number, name in attribute_names(ground_truth).items()}
    for index, entry in enumerate(content):
        try:
            results.append(_checked(_with_ids_of_names(entry, ids), ground_truth))
        except Exception as error:  # pycocotools raises bare ones
            reason = f"no {error}" if isinstance(error, KeyError) else str(error).rstrip(".")
            raise ValueError(
                f"{path}: entry {index} is not a COCO result of this ground truth: {reason}."
            ) from None
    _refuse_corners(results, path)
    num_with_mask = sum("segmentation" in result for result in results)
    if 0 < num_with_mask < len(results):
        raise ValueError(
            f"{path}: {num_with_mask} of {len(results)} entries have a segmentation; expected all "
            "or none."
        )
    return results


def _refuse_corners(results: list[dict], path: str | Path) -> None:
    """Raises ValueError where boxes are [xmin, ymin, xmax, ymax], as the masks show."""
    with_mask = [result for result in results if "segmentation" in result]
    if not with_mask:
        return
    own = np.array([result["bbox"] for result in with_mask])
    boxes = coco_mask.toBbox([result["segmentation"] for result in with_mask])
    corners = np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]])
    are_corners = np.abs(own - corners).max(axis=1) <= 2
    are_sizes = np.abs(own - boxes).max(axis=1) <= 2
    if are_corners.mean() > 0.5 and are_sizes.mean() < 0.5:
        index = int(np.flatnonzero(are_corners & ~are_sizes)[0])
        raise ValueError(
            f"{path}: bbox of entry {index} is {own[index].tolist()}, which its mask shows to be "
            "[xmin, ymin, xmax, ymax]; COCO's is [x, y, width, height]."
        )


def _checked(entry: dict, ground_truth) -> dict:
    entry = {**entry, **{key: _as_number(entry[key]) for key in ("image_id", "category_id")}}
    image = ground_truth.imgs.get(entry["image_id"])
    if image is None:
        raise ValueError(f"image_id {entry['image_id']!r} is not in the ground truth")
    if entry["category_id"] not in ground_truth.cats:
        known = sorted(ground_truth.cats)
        raise ValueError(
            f"category_id {entry['category_id']!r} is not in the ground truth, which has "
            f"{known[0]} to {known[-1]}"
        )
    score = entry["score"]
    if isinstance(score, str):
        score = float(score)
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError(f"score is {score!r}, expected a number")
    checked = {"image_id": entry["image_id"], "category_id": entry["category_id"], "score": score}
    segmentation = entry.get("segmentation")
    if segmentation:
        checked["segmentation"] = _checked_rle(segmentation, image)
    if entry.get("bbox") is not None:
        bbox = [float(value) for value in entry["bbox"]]
        if len(bbox) != 4 or not all(map(math.isfinite, bbox)) or min(bbox[2:]) < 0:
            raise ValueError(f"bbox is {entry['bbox']}, expected [x, y, width, height]")
        checked["bbox"] = bbox
    elif segmentation:
        checked["bbox"] = [float(v) for v in coco_mask.toBbox(checked["segmentation"])]
    else:
        raise ValueError("has neither bbox nor segmentation")
    return {**checked, **_checked_attributes(entry)}


def _with_ids_of_names(entry: dict, attribute_ids: Mapping[str, int]) -> dict:
    """tfseg.predict's `attributes`, a list of {"name", "score"}, as `attribute_ids`.

    Names that the ground truth does not list are none of its attributes.
    """
    if "attributes" not in entry or "attribute_ids" in entry:
        return entry
    said = [attribute_ids.get(one["name"]) for one in entry["attributes"]]
    return {**entry, "attribute_ids": sorted(one for one in said if one is not None)}


def _checked_attributes(entry: dict) -> dict:
    """What an entry says of attributes: `attribute_ids`, `attribute_scores`, or nothing."""
    checked: dict[str, list] = {}
    if entry.get("attribute_ids") is not None:
        ids = [whole_number(value) for value in entry["attribute_ids"]]
        if None in ids:
            raise ValueError(f"attribute_ids is {entry['attribute_ids']}, expected whole numbers")
        checked["attribute_ids"] = ids
    if entry.get("attribute_scores") is not None:
        scores = [float(value) for value in entry["attribute_scores"]]
        if not all(0 <= score <= 1 for score in scores):
            raise ValueError("attribute_scores has a value outside 0 to 1")
        checked["attribute_scores"] = scores
    return checked


def _as_number(value):
    """An id as a number where it can be read as one; else as it stands, for the message."""
    number = whole_number(value)
    return value if number is None else number


def _checked_rle(segmentation, image: dict) -> dict:
    """Turns any of COCO's mask forms into the compressed RLE of an image of the ground truth.

    Raises:
        ValueError: It is of another size, or its runs do not add up.
    """
    size_hw = [image["height"], image["width"]]
    if isinstance(segmentation, dict) and list(segmentation["size"]) != size_hw:
        raise ValueError(
            f"its mask is {segmentation['size']} (height, width), but image {image['id']} is "
            f"{size_hw}; were they made on photos of another size"
        )
    counts = rle_from_segmentation(segmentation, *size_hw)["counts"]
    counts = checked_counts({"size": size_hw, "counts": counts})
    return {"size": size_hw, "counts": counts.decode("ascii")}


def check_truth(ground_truth, path: str | Path) -> None:
    """Raises ValueError for a mask of another size than its image, as where sides are swapped."""
    for annotation in ground_truth.anns.values():
        segmentation = annotation.get("segmentation")
        if isinstance(segmentation, dict):
            try:
                _checked_rle(segmentation, ground_truth.imgs[annotation["image_id"]])
            except (KeyError, TypeError, ValueError) as error:
                reason = str(error).rstrip(".")
                raise ValueError(f"{path}: annotation {annotation['id']}: {reason}.") from None


def write_results(path: str | Path, coco_results: Iterable[dict]) -> None:
    """Writes COCO results, one a line, whole or not at all."""
    write_whole(path, json_lines(coco_results), "the detections")


def json_lines(entries: Iterable) -> str:
    """Returns a json list with one entry a line."""
    return "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"
