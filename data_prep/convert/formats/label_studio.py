"""Label Studio's json: brush masks, bit masks and polygons of the latest annotation of each task.

Format: https://labelstud.io/guide/export#Label-Studio-JSON-format-of-annotated-tasks

[{"id": 1, "data": {"image": "/data/upload/1/0a1b2c3d-photo.jpg"}, "annotations": [{"result": [
  {"type": "polygonlabels", "original_width": 600, "original_height": 800,
   "value": {"points": [[12.5, 40.0], ...], "polygonlabels": ["top"]}},
  {"type": "brushlabels", "original_width": 600, "original_height": 800,
   "value": {"format": "rle", "rle": [0, 29, ...], "brushlabels": ["dress"]}}]}]}]

A polygon's points are percent of the photo's width and height.
"""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import cv2

from data_prep.annotations import masks
from data_prep.convert.annotation_formats import AnnotationFormat, WriteOptions
from data_prep.convert.label_set import (
    MALFORMED_ENTRY,
    MALFORMED_SHAPE,
    Label,
    LabelSet,
    RawLabels,
    checked_size_hw,
    coco_rle,
)
from data_prep.convert.label_studio_masks import (
    brush_from_mask,
    mask_from_brush,
    mask_from_data_url,
)
from data_prep.convert.written_polygons import Losses
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note
from tfseg.io.atomic_files import write_whole
from tfseg.io.photo_files import is_photo_name
from tfseg.structures.coco_values import mark_length

_MIN_KEYS = ("annotation_id", "annotator", "lead_time")  # of a row of JSON-MIN
_KEYS = re.compile(
    rf'"(data|annotations|completions|result|original_width|{"|".join(_MIN_KEYS)})"\s*:'
)
_LABEL_LISTS = ("labels", "brushlabels", "polygonlabels", "bitmasklabels")
_PASSED_OVER = "another_annotation_of_the_task_passed_over"
_NUM_DIGITS = 6  # of a pixel: undoes the rounding of percentages


def read(path: Path) -> RawLabels:
    """Reads an export of kind JSON, or the one json of a folder.

    Raises:
        ValueError: It is not such a file.
    """
    if path.is_dir():
        found = sorted(path.glob("*.json"))
        if len(found) != 1:
            raise ValueError(f"{path}: {len(found)} files *.json, expected one; give the file.")
        path = found[0]
    labels = RawLabels({}, photos_dir=path.parent)
    ids_by_name: dict[str, int] = {}
    counter = iter(range(1, 1 << 62))
    for index, task in enumerate(_tasks(path)):
        where = f"task {task.get('id', index)}"
        name = _photo_name(task)
        try:
            task_labels = _task_photo(task, name, ids_by_name, counter)
        except ValueError as error:
            detail = f"{where}: {error}"
            task_labels = Note(MALFORMED_ENTRY, next(counter), name or "", detail)
        if isinstance(task_labels, Note):
            labels.left_out.append(task_labels)
        else:
            labels.photos.append(task_labels)
    labels.category_names = {number: name for name, number in ids_by_name.items()}
    return labels


def _tasks(path: Path) -> list[dict]:
    encoded = path.read_bytes()
    try:
        tasks = json.loads(encoded[mark_length(encoded) :])
    except ValueError as error:
        raise ValueError(f"{path}: not json ({error}); export it again.") from error
    if isinstance(tasks, dict):
        tasks = [tasks]
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise ValueError(f"{path}: not Label Studio's json: expected a list of tasks.")
    if tasks and all("data" not in task and _is_min(task) for task in tasks):
        raise ValueError(
            f"{path}: Label Studio's JSON-MIN, which leaves out whether a photo was turned and "
            "which annotation of a task counts; expected its JSON: export again and choose 'JSON'."
        )
    return tasks


def _is_min(task: dict) -> bool:
    """Whether a row is one of JSON-MIN: {"image": ..., "label": [...], "annotator": 1, ...}."""
    values = [v for value in task.values() if isinstance(value, list) for v in value]
    return not task.keys().isdisjoint(_MIN_KEYS) or any(
        isinstance(value, dict) and "original_width" in value for value in values
    )


def _photo_name(task: dict) -> str | None:
    values = task.get("data")
    if not isinstance(values, dict):
        return None
    fields = [values.get("image"), *values.values()]
    texts = [text for text in fields if isinstance(text, str)]
    for text in texts:
        if is_photo_name(text.split("?")[0]) or is_photo_name(text):
            return text
    uploaded = task.get("file_upload")
    return uploaded if isinstance(uploaded, str) else next(iter(texts), None)


def _dicts(values: Any) -> list[dict]:
    """A list of objects, empty for null.

    Raises:
        ValueError: It is something else.
    """
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise ValueError(f"got {str(values)[:40]!r}, expected a list of objects")
    return values


def _chosen_annotation(task: dict) -> tuple[dict | None, int]:
    """The one that counts, None where there is none, and how many others there are."""
    annotations = _dicts(task.get("annotations", task.get("completions")))
    usable = [annotation for annotation in annotations if not annotation.get("was_cancelled")]
    if not usable:
        return None, len(annotations)

    def rank(annotation: dict) -> tuple[bool, str]:
        return bool(annotation.get("ground_truth")), str(annotation.get("updated_at") or "")

    return max(usable, key=rank), len(usable) - 1


def _task_photo(
    task: dict, name: str | None, ids_by_name: dict[str, int], counter: Iterator[int]
) -> RawPhoto | Note:
    if name is None:
        raise ValueError("names no photo, expected it in 'data'; export as JSON, not CSV")
    chosen, num_others = _chosen_annotation(task)
    if chosen is None:
        why = "task_skipped_by_its_annotator" if num_others else "task_not_annotated"
        return Note(why, next(counter), name)
    repairs = [Note(_PASSED_OVER, next(counter), name) for _ in range(num_others)]
    results = _dicts(chosen.get("result"))
    size_hw = _size_hw(results)
    results, names_by_region = _without_second_copies(results)
    instances: list[RawInstance] = []
    dropped: list[Note] = []
    for result in results:
        number = next(counter)
        value, reason = result.get("value"), _unusable(result)
        if reason is not None or not isinstance(value, dict):
            dropped.append(Note(reason or "result_without_value", number, name))
            continue
        categories = _categories(value, names_by_region.get(str(result.get("id"))))
        if not categories or size_hw is None:
            dropped.append(Note("mask_without_category_or_size", number, name))
            continue
        category = categories[0]
        if len(categories) > 1:
            detail = f"got {', '.join(categories)}, {category} was taken"
            repairs.append(Note("mask_of_several_categories", number, name, detail))
        category_id = ids_by_name.setdefault(category, len(ids_by_name) + 1)
        try:
            segmentation = _segmentation(value, size_hw)
        except (ValueError, TypeError, KeyError, OverflowError, cv2.error) as error:
            detail = f"{result.get('type')} of {category!r}: {error}"
            dropped.append(Note(MALFORMED_SHAPE, number, name, detail))
            continue
        instances.append(RawInstance(number, category_id, segmentation))
    image_id = next(counter)
    return RawPhoto(
        image_id, name, size_hw, tuple(instances), tuple(dropped), repairs=tuple(repairs)
    )


def _without_second_copies(results: list[dict]) -> tuple[list[dict], dict[str, list]]:
    """Where <Labels> stands apart, a region comes twice: as its shape, and with its names.

    Returns:
        The shapes, and the names by region.
    """
    shapes = {str(r["id"]) for r in results if r.get("type") != "labels" and "id" in r}
    names = {}
    kept = []
    for result in results:
        value = result.get("value")
        if result.get("type") != "labels" or str(result.get("id")) not in shapes:
            kept.append(result)
        elif isinstance(value, dict) and isinstance(value.get("labels"), list):
            names[str(result["id"])] = value["labels"]
    return kept, names


def _unusable(result: dict) -> str | None:
    """Why a result is no mask, the report's key; None: it is one."""
    value, kind = result.get("value"), str(result.get("type"))
    is_mask = isinstance(value, dict) and ("rle" in value or "imageDataURL" in value)
    is_polygon = isinstance(value, dict) and "points" in value and "polygon" in kind
    # With a separate <Labels>, a region's shape may come as a result of type labels.
    is_polygon = is_polygon or (kind == "labels" and isinstance(value, dict) and "points" in value)
    if not (is_mask or is_polygon):
        return f"{kind}_is_no_mask"
    return "drawn_on_a_rotated_photo" if result.get("image_rotation") else None


def _size_hw(results: list[dict]) -> tuple[int, int] | None:
    sizes = [(r.get("original_height"), r.get("original_width")) for r in results]
    known = [size for size in sizes if size != (None, None)]
    if any(size != known[0] for size in known):
        raise ValueError(f"original sizes {known[:4]}, expected one size")
    return checked_size_hw(*known[0], "its masks") if known else None


def _categories(value: dict, names_of_region: list | None) -> list[str]:
    for key in _LABEL_LISTS:
        if isinstance(value.get(key), list) and value[key]:
            return list(map(str, value[key]))
    return list(map(str, names_of_region or []))


def _segmentation(value: dict, size_hw: tuple[int, int]) -> list[list[float]] | dict:
    height, width = size_hw
    if "rle" in value:
        return coco_rle(mask_from_brush(value["rle"], size_hw))
    if "imageDataURL" in value:
        return coco_rle(mask_from_data_url(value["imageDataURL"], size_hw))
    points = [(float(x), float(y)) for x, y in value["points"]]
    if not all(math.isfinite(part) for point in points for part in point):
        raise ValueError("got a coordinate that is no number")
    sides = ((x * width / 100, y * height / 100) for x, y in points)
    return [[round(part, _NUM_DIGITS) for side in sides for part in side]]


def write(labels: LabelSet, path: Path, losses: Losses, options: WriteOptions) -> None:
    """Writes tasks to import, and the labelling interface that they are for beside them.

    Args:
        labels: what to write.
        path: the json; NAME.label_config.xml gets the interface.
        losses: gets what polygons cost.
        options: masks_as: "source" keeps pixels as a brush mask; url_prefix.
    """
    tasks = []
    for task_id, photo in enumerate(labels.photos, start=1):
        results = []
        for index, label in enumerate(photo.labels):
            losses.count_unheld(label)
            name = labels.category_names[label.instance.category_id - 1]
            shape = _shape(label, name, losses, options.masks_as)
            if shape is None:
                continue
            known = {
                "id": f"{task_id}_{index}",
                "to_name": "image",
                "original_width": photo.width,
                "original_height": photo.height,
                "image_rotation": 0,
                "origin": "manual",
            }
            results.append({**known, **shape})
        tasks.append(
            {
                "id": task_id,
                "data": {"image": options.url_prefix + photo.file_name},
                "annotations": [{"result": results, "was_cancelled": False}],
            }
        )
    config = _label_config(labels.category_names)
    write_whole(path.with_suffix(".label_config.xml"), config, "the labelling interface")
    write_whole(path, json.dumps(tasks), "the tasks")


def _shape(label: Label, name: str, losses: Losses, masks_as: str) -> dict[str, Any] | None:
    is_one = label.polygons is not None and len(label.polygons) == 1
    height, width = label.instance.rle["size"]
    if masks_as == "polygons" or (masks_as == "source" and is_one):
        polygon = losses.one_polygon(label, _NUM_DIGITS)
        if not polygon:
            return None
        points = [
            [x * 100 / width, y * 100 / height]
            for x, y in zip(polygon[0::2], polygon[1::2], strict=True)
        ]
        value: dict[str, Any] = {"points": points, "closed": True, "polygonlabels": [name]}
        return {"type": "polygonlabels", "from_name": "polygon", "value": value}
    rle = brush_from_mask(masks.mask_from_rle(label.instance.rle))
    value = {"format": "rle", "rle": rle, "brushlabels": [name]}
    return {"type": "brushlabels", "from_name": "brush", "value": value}


def _label_config(category_names: tuple[str, ...]) -> str:
    rows = "".join(f"    <Label value={quoteattr(name)}/>\n" for name in category_names)
    return (
        '<View>\n  <Image name="image" value="$image" zoom="true"/>\n'
        f'  <PolygonLabels name="polygon" toName="image">\n{rows}  </PolygonLabels>\n'
        f'  <BrushLabels name="brush" toName="image">\n{rows}  </BrushLabels>\n</View>\n'
    )


def _holds(suffix: str, head: str) -> bool:
    return suffix == ".json" and head.startswith("[") and _KEYS.search(head) is not None


FORMAT = AnnotationFormat(
    tool="Label Studio's json",
    read=read,
    write=write,
    holds=_holds,
    ending=".label_studio.json",
)
