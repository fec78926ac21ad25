"""labelme's jsons, one a photo: polygons, and masks as PNG.

Format: https://github.com/wkentaro/labelme

{"version": "6.3.1", "flags": {}, "imagePath": "photo.jpg", "imageData": null, "imageHeight": 800,
 "imageWidth": 600, "shapes": [
  {"label": "top", "shape_type": "polygon", "points": [[12.5, 40.0], ...], "group_id": null, ...},
  {"label": "dress", "shape_type": "mask", "points": [[10, 20], [109, 219]], "mask": "iVBOR..."}]}

A mask's points are its first and its last pixel. Shapes of one label and group_id are one garment.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from data_prep.annotations import masks
from data_prep.convert.annotation_formats import AnnotationFormat, WriteOptions
from data_prep.convert.label_set import (
    MALFORMED_ENTRY,
    MALFORMED_SHAPE,
    Label,
    LabelledPhoto,
    LabelSet,
    RawLabels,
    checked_size_hw,
    coco_rle,
    join_groups,
    pasted_mask,
)
from data_prep.convert.photo_size import photo_size_hw
from data_prep.convert.written_polygons import Losses
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note

_VERSION = "5.11.4"  # of the format; labelme 5 and 6 read it
_KEYS = re.compile(r'"(shapes|imagePath)"\s*:')
_SHAPE_KEYS: dict[str, Any] = {"group_id": None, "description": "", "flags": {}}


def read(path: Path) -> RawLabels:
    """Reads a file, or all below a folder.

    Raises:
        ValueError: There is none.
    """
    folder = path if path.is_dir() else path.parent
    paths = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    paths = [p for p in paths if not p.name.startswith(".")]
    if not paths:
        raise ValueError(f"{path}: no json here, expected labelme's, one a photo.")
    ids_by_name: dict[str, int] = {}
    counter = iter(range(1, 1 << 62))
    photos: list[RawPhoto] = []
    left_out: list[Note] = []
    for json_path in paths:
        try:
            photos.append(_photo(json_path, folder, ids_by_name, counter))
        except ValueError as error:
            name = json_path.relative_to(folder).as_posix()
            left_out.append(Note(MALFORMED_ENTRY, next(counter), name, str(error)))
    names = {number: name for name, number in ids_by_name.items()}
    photos, base = _above(folder, photos)
    return RawLabels(names, photos, left_out, photos_dir=base)


def _above(folder: Path, photos: list[RawPhoto]) -> tuple[list[RawPhoto], Path]:
    """The photos, their names below one folder, and that folder: they may lie beside the jsons'."""
    if not any(photo.file_name.startswith("../") for photo in photos):
        return photos, folder
    here = Path.cwd() / folder  # ".." is cut without following links: names stay the photos'
    paths = [Path(os.path.normpath(here / photo.file_name)) for photo in photos]
    base = Path(os.path.commonpath([path.parent for path in paths]))
    names = [path.relative_to(base).as_posix() for path in paths]
    return [replace(p, file_name=n) for p, n in zip(photos, names, strict=True)], base


def _photo(
    path: Path, folder: Path, ids_by_name: dict[str, int], counter: Iterator[int]
) -> RawPhoto:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{path}: not json ({error}); save it in labelme again.") from error
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise ValueError(f"{path}: not labelme's json: has no list 'shapes'.")
    image_path = str(content.get("imagePath") or path.with_suffix(".jpg").name)
    below = path.parent.relative_to(folder).as_posix()
    name = os.path.normpath(f"{below}/" + image_path.replace("\\", "/")).replace(os.sep, "/")
    height, width = _size_hw(content, path, path.parent / image_path.replace("\\", "/"))
    shapes: list[tuple[RawInstance, object]] = []
    dropped = []
    for shape in content["shapes"]:
        number = next(counter)
        if not isinstance(shape, dict):
            detail = f"got {str(shape)[:40]!r}, expected an object"
            dropped.append(Note(MALFORMED_SHAPE, number, name, detail))
            continue
        kind = shape.get("shape_type") or "polygon"
        if kind not in ("polygon", "mask"):
            dropped.append(Note(f"{kind}_is_no_mask", number, name))
            continue
        category = str(shape.get("label"))
        category_id = ids_by_name.setdefault(category, len(ids_by_name) + 1)
        try:
            segmentation = _segmentation(shape, kind, (height, width))
        except (ValueError, TypeError, KeyError, OverflowError, cv2.error) as error:
            detail = f"{kind} of {category!r}: {error}"
            dropped.append(Note(MALFORMED_SHAPE, number, name, detail))
            continue
        group = shape.get("group_id")
        instance = RawInstance(number, category_id, segmentation)
        shapes.append((instance, None if group is None else str(group)))
    instances, joined = join_groups(shapes, (height, width), name)
    photo_id = next(counter)
    return RawPhoto(photo_id, name, (height, width), instances, tuple(dropped), repairs=joined)


def _size_hw(content: dict, path: Path, photo_path: Path) -> tuple[int, int]:
    """The photo's, which labelme before 4 does not write."""
    height, width = content.get("imageHeight"), content.get("imageWidth")
    if height is None and width is None:
        if not photo_path.is_file():
            raise ValueError(
                f"{path}: has no imageHeight and imageWidth, and {photo_path} is no file; expected "
                "one of them; put the photo there, or save it in labelme again."
            )
        return photo_size_hw(photo_path)
    return checked_size_hw(height, width, str(path))


def _segmentation(shape: dict, kind: str, size_hw: tuple[int, int]) -> list | dict:
    if kind == "polygon":
        return [[float(part) for x, y in shape["points"] for part in (x, y)]]
    (left, top), _ = shape["points"]
    encoded = np.frombuffer(base64.b64decode(shape["mask"]), np.uint8)
    crop = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    if crop is None:
        raise ValueError("got something else than a picture")
    return coco_rle(pasted_mask(crop, int(left), int(top), size_hw))


def write(labels: LabelSet, out_dir: Path, losses: Losses, options: WriteOptions) -> None:
    """Writes one json a photo.

    Args:
        labels: what to write.
        out_dir: gets NAME.json for each photo NAME.jpg, in the photo's folder below it.
        losses: gets what polygons cost.
        options: masks_as; photos_dir, or None: beside the jsons.

    Raises:
        ValueError: Two photos would have one json.
    """
    seen: dict[PurePosixPath, str] = {}
    for photo in labels.photos:
        name = PurePosixPath(photo.file_name).with_suffix(".json")
        if name in seen:
            raise ValueError(
                f"{out_dir}: {seen[name]} and {photo.file_name} would both be {name}; rename one."
            )
        seen[name] = photo.file_name
        path = out_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image_path = PurePosixPath(photo.file_name).name
        if options.photos_dir is not None:
            image_path = os.path.relpath(options.photos_dir / photo.file_name, path.parent)
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": _shapes(photo, labels.category_names, losses, options.masks_as),
            "imagePath": image_path,
            "imageData": None,
            "imageHeight": photo.height,
            "imageWidth": photo.width,
        }
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _shapes(
    photo: LabelledPhoto, category_names: tuple[str, ...], losses: Losses, masks_as: str
) -> list[dict[str, Any]]:
    shapes: list[dict[str, Any]] = []
    for group_id, label in enumerate(photo.labels, start=1):
        losses.count_unheld(label)
        known = {"label": category_names[label.instance.category_id - 1], **_SHAPE_KEYS}
        if masks_as == "polygons" or (masks_as == "source" and label.polygons):
            polygons = losses.polygons(label, num_digits=6)
            if len(polygons) > 1:
                known["group_id"] = group_id
            for polygon in polygons:
                points = np.reshape(polygon, (-1, 2)).tolist()
                shapes.append({**known, "points": points, "shape_type": "polygon", "mask": None})
        else:
            shapes.append({**known, **_mask_shape(label)})
    return shapes


def _mask_shape(label: Label) -> dict[str, Any]:
    left, top, right, bottom = map(int, label.instance.bbox)
    crop = masks.mask_from_rle(label.instance.rle)[top:bottom, left:right]
    _, png = cv2.imencode(".png", crop * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    return {
        "points": [[float(left), float(top)], [float(right - 1), float(bottom - 1)]],
        "shape_type": "mask",
        "mask": base64.b64encode(png.tobytes()).decode(),
    }


def _holds(suffix: str, head: str) -> bool:
    is_object = suffix == ".json" and head.startswith("{") and '"images"' not in head
    return is_object and _KEYS.search(head) is not None


FORMAT = AnnotationFormat(
    tool="labelme's json",
    read=read,
    write=write,
    holds=_holds,
    has_file_a_photo=True,
)
