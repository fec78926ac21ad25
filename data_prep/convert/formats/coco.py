"""COCO json, as CVAT, FiftyOne, Roboflow and supervision read and write it.

Format: https://cocodataset.org/#format-data
"""

import json
from dataclasses import replace
from pathlib import Path

from data_prep.convert.annotation_formats import AnnotationFormat, WriteOptions
from data_prep.convert.coco_layouts import find_parts
from data_prep.convert.label_set import Label, LabelSet, RawLabels, json_rle
from data_prep.convert.written_polygons import Losses
from data_prep.readers.coco_categories import used_categories
from data_prep.readers.coco_json import CocoJson
from data_prep.readers.raw_dataset import REJECTED, Note
from tfseg.io.atomic_files import write_whole


def read(path: Path) -> RawLabels:
    """Reads a json, or the jsons of a folder in one of the layouts that tools make.

    Raises:
        ValueError: A json is not what it should be.
    """
    parts = find_parts(path) if path.is_dir() else find_parts(None, path)
    base = path if path.is_dir() else parts[0].photos_dir
    labels = RawLabels({}, photos_dir=base if len(parts) > 1 else parts[0].photos_dir)
    ids_by_name: dict[str, int] = {}
    for part in parts:
        coco = CocoJson(part.annotations)
        names = used_categories(coco)
        folder = part.photos_dir.relative_to(base).as_posix() if len(parts) > 1 else "."
        for name in names.values():
            ids_by_name.setdefault(name, len(ids_by_name) + 1)
        labels.dropped += [Note("image_not_in_json", i, "") for i in coco.orphan_annotation_ids()]
        for image in coco.images:
            name = image.file_name if folder == "." else f"{folder}/{image.file_name}"
            if image.is_rejected:
                labels.left_out.append(Note(REJECTED, image.image_id, name))
                continue
            raw = coco.record(image).raw_photo()
            instances = tuple(
                replace(i, raw_category_id=ids_by_name.get(names.get(i.raw_category_id, ""), 0))
                for i in raw.instances
            )
            labels.photos.append(replace(raw, file_name=name, instances=instances))
    labels.category_names = {number: name for name, number in ids_by_name.items()}
    return labels


def write(labels: LabelSet, path: Path, losses: Losses, options: WriteOptions) -> None:
    """Writes one json, whole or not at all.

    Args:
        labels: what to write.
        path: the json.
        losses: gets what polygons cost.
        options: masks_as: "source" keeps pixels as RLE.
    """
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, photo in enumerate(labels.photos, start=1):
        images.append(
            {
                "id": image_id,
                "file_name": photo.file_name,
                "height": photo.height,
                "width": photo.width,
            }
        )
        for label in photo.labels:
            losses.count_unheld(label, has_crowds=True)
            segmentation = _segmentation(label, losses, options.masks_as)
            if not segmentation:
                continue
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label.instance.category_id,
                    "segmentation": segmentation,
                    "bbox": [float(value) for value in label.instance.bbox.xywh],
                    "area": label.instance.area,
                    "iscrowd": int(label.instance.is_crowd),
                }
            )
    content = {
        "info": {"description": "fashion masks"},
        "licenses": [],  # CVAT's reader of streams wants both
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": number, "name": name, "supercategory": ""}
            for number, name in enumerate(labels.category_names, start=1)
        ],
    }
    write_whole(path, json.dumps(content), "the masks")


def _segmentation(label: Label, losses: Losses, masks_as: str) -> dict | list:
    as_polygons = masks_as == "polygons" or (masks_as == "source" and label.polygons)
    # A crowd is RLE by COCO's own rule.
    if as_polygons and not label.instance.is_crowd:
        return losses.polygons(label, num_digits=6)
    return json_rle(label.instance.rle)


FORMAT = AnnotationFormat(
    tool="a COCO json",
    read=read,
    write=write,
    holds=lambda suffix, head: suffix == ".json" and head.startswith("{"),
    ending=".coco.json",
)
