"""CVAT's XML for images, version 1.1: polygons and masks.

Format: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/

A mask's `rle` are lengths of runs of 0, 1, 0, ... along the rows of its own box:
<mask label="top" rle="3, 5, 7" left="10" top="20" width="5" height="3" z_order="0"/>
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import XMLGenerator
from xml.sax.xmlreader import AttributesImpl

import numpy as np

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
    join_groups,
    pasted_mask,
)
from data_prep.convert.written_polygons import Losses
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note
from tfseg.io.atomic_files import write_whole

_NUM_DIGITS = 6  # of a pixel; CVAT itself writes two
_ROOT = re.compile(r"<annotations[\s>]")
_NO_MASKS = frozenset({"box", "polyline", "points", "ellipse", "cuboid", "skeleton", "tag"})


def read(path: Path) -> RawLabels:
    """Reads one file, or that of a folder.

    Raises:
        ValueError: It is not such a file; the message names it.
    """
    path = _file(path)
    ids_by_name: dict[str, int] = {}
    labels = RawLabels({}, photos_dir=_photos_dir(path.parent))
    counter = iter(range(1, 1 << 62))
    root = None
    try:
        for event, element in ElementTree.iterparse(path, ("start", "end")):
            if root is None:
                root = element
                if root.tag != "annotations":
                    raise ValueError(f"{path}: its root is <{root.tag}>, expected <annotations>.")
            if event == "start":
                continue
            if element.tag == "label" and element.find("name") is not None:
                name = element.findtext("name", "")
                ids_by_name.setdefault(name, len(ids_by_name) + 1)
            elif element.tag == "track":
                raise ValueError(
                    f"{path}: CVAT's XML for video (it has tracks), expected the one for images; "
                    "export as 'CVAT for images 1.1'."
                )
            elif element.tag == "image":
                name = element.get("name") or ""
                try:
                    labels.photos.append(_photo(element, ids_by_name, counter))
                except ValueError as error:
                    labels.left_out.append(Note(MALFORMED_ENTRY, next(counter), name, str(error)))
                root.clear()
    except (ElementTree.ParseError, LookupError) as error:  # LookupError: an unknown encoding
        raise ValueError(f"{path}: not XML ({error}); export it again.") from error
    labels.category_names = {number: name for name, number in ids_by_name.items()}
    return labels


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*.xml"))
    if len(found) != 1:
        raise ValueError(f"{path}: {len(found)} files *.xml, expected one; give the file itself.")
    return found[0]


def _photos_dir(folder: Path) -> Path:
    images = folder / "images"
    return images if images.is_dir() else folder


def _photo(
    image: ElementTree.Element, ids_by_name: dict[str, int], counter: Iterator[int]
) -> RawPhoto:
    where = f"<image id={image.get('id')!r}>"
    name = image.get("name")
    if not name:
        raise ValueError(f"{where} without a name, expected its file's; export again.")
    height, width = image.get("height", ""), image.get("width", "")
    is_size = height.isdecimal() and width.isdecimal() and len(height + width) < 20
    sides = (int(height), int(width)) if is_size else (height, width)
    size_hw = checked_size_hw(sides[0], sides[1], where)
    shapes: list[tuple[RawInstance, object]] = []
    dropped = []
    for shape in image:
        number = next(counter)
        if shape.tag in _NO_MASKS:
            dropped.append(Note(f"{shape.tag}_is_no_mask", number, name))
            continue
        if shape.tag not in ("polygon", "mask"):
            dropped.append(Note("shape_of_unknown_kind", number, name, f"got <{shape.tag}>"))
            continue
        category = shape.get("label", "")
        category_id = ids_by_name.setdefault(category, len(ids_by_name) + 1)
        try:
            segmentation = _polygon(shape) if shape.tag == "polygon" else _mask(shape, size_hw)
        except (ValueError, OverflowError) as error:
            detail = f"<{shape.tag}> of {category!r}: {error}"
            dropped.append(Note(MALFORMED_SHAPE, number, name, detail))
            continue
        group = shape.get("group_id", "0")
        shapes.append(
            (RawInstance(number, category_id, segmentation), None if group == "0" else group)
        )
    instances, joined = join_groups(shapes, size_hw, name)
    image_id = next(counter)
    return RawPhoto(image_id, name, size_hw, instances, tuple(dropped), repairs=joined)


def _polygon(shape: ElementTree.Element) -> list[list[float]]:
    points = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if not all(len(point) == 2 for point in points):
        raise ValueError(f"got points {shape.get('points', '')[:40]!r}, expected 'x,y;x,y;...'")
    return [[float(value) for point in points for value in point]]


def _mask(shape: ElementTree.Element, size_hw: tuple[int, int]) -> dict:
    left, top, width, height = (
        int(shape.get(key, "missing")) for key in ("left", "top", "width", "height")
    )
    counts = np.array([int(text) for text in shape.get("rle", "").split(",")], np.int64)
    if min(width, height) < 1 or width > 2 * size_hw[1] or height > 2 * size_hw[0]:
        raise ValueError(f"got a box of {width}x{height} pixels in {size_hw[1]}x{size_hw[0]}")
    if counts.min() < 0 or counts.max() > width * height or counts.sum() != width * height:
        raise ValueError(f"got runs of {counts.sum()} pixels, expected {width} x {height}")
    values = np.arange(counts.size, dtype=np.uint8) & 1
    crop = np.repeat(values, counts).reshape(height, width)
    return coco_rle(pasted_mask(crop, left, top, size_hw))


def write(labels: LabelSet, path: Path, losses: Losses, options: WriteOptions) -> None:
    """Writes one file, whole or not at all.

    Args:
        labels: what to write.
        path: the XML.
        losses: gets what polygons cost.
        options: masks_as: polygons of several parts are written as a group.
    """
    text = io.StringIO()
    xml = XMLGenerator(text, "utf-8", short_empty_elements=True)
    xml.startDocument()
    _start(xml, "annotations")
    _leaf(xml, "version", "1.1")
    _start(xml, "meta")
    _start(xml, "task")
    _leaf(xml, "size", str(len(labels.photos)))
    _leaf(xml, "mode", "annotation")
    _start(xml, "labels")
    for name in labels.category_names:
        _start(xml, "label")
        _leaf(xml, "name", name)
        _leaf(xml, "attributes", "")
        xml.endElement("label")
    for tag in ("labels", "task", "meta"):
        xml.endElement(tag)
    num_groups = 0
    for index, photo in enumerate(labels.photos):
        size = {"width": str(photo.width), "height": str(photo.height)}
        _start(xml, "image", {"id": str(index), "name": photo.file_name, **size})
        for z_order, label in enumerate(photo.labels):
            losses.count_unheld(label)
            shapes = _shapes(label, losses, options.masks_as)
            num_groups += len(shapes) > 1
            group = {"group_id": str(num_groups)} if len(shapes) > 1 else {}
            for tag, attributes in shapes:
                name = labels.category_names[label.instance.category_id - 1]
                known = {"label": name, "source": "file", "occluded": "0"}
                _start(xml, tag, {**known, **attributes, "z_order": str(z_order), **group})
                xml.endElement(tag)
            xml.characters("\n")
        xml.endElement("image")
        xml.characters("\n")
    xml.endElement("annotations")
    write_whole(path, text.getvalue(), "the annotations")


def _start(xml: XMLGenerator, tag: str, attributes: dict[str, str] | None = None) -> None:
    xml.startElement(tag, AttributesImpl(attributes or {}))


def _leaf(xml: XMLGenerator, tag: str, content: str) -> None:
    _start(xml, tag)
    xml.characters(content)
    xml.endElement(tag)


def _shapes(label: Label, losses: Losses, masks_as: str) -> list[tuple[str, dict[str, str]]]:
    """The elements of one garment: their names and attributes."""
    is_one = label.polygons is not None and len(label.polygons) == 1
    if masks_as == "polygons" or (masks_as == "source" and is_one):
        polygons = losses.polygons(label, _NUM_DIGITS)
        return [("polygon", {"points": _points(polygon)}) for polygon in polygons]
    left, top, right, bottom = map(int, label.instance.bbox)
    crop = masks.mask_from_rle(label.instance.rle)[top:bottom, left:right].ravel()
    edges = np.flatnonzero(np.diff(crop)) + 1
    counts = np.diff([0, *edges, crop.size]).tolist()
    if crop[0]:
        counts = [0, *counts]
    box = {"left": left, "top": top, "width": right - left, "height": bottom - top}
    box_text = {key: str(value) for key, value in box.items()}
    return [("mask", {"rle": ", ".join(map(str, counts)), **box_text})]


def _points(polygon: list[float]) -> str:
    pairs = zip(polygon[0::2], polygon[1::2], strict=True)
    return ";".join(f"{x:.12g},{y:.12g}" for x, y in pairs)


FORMAT = AnnotationFormat(
    tool="CVAT's XML for images",
    read=read,
    write=write,
    holds=lambda suffix, head: suffix == ".xml" and _ROOT.search(head) is not None,
    ending=".cvat.xml",
)
