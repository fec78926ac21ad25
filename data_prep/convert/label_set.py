"""What lies between a reader and a writer: photos with masks, and what was lost on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pycocotools import mask as coco_mask

from data_prep.annotations import masks
from data_prep.annotations.annotated_image import Instance
from data_prep.annotations.segmentations import SegmentationError, segment_from_raw
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note

_MAX_PIXELS = 2**28
MALFORMED_SHAPE = "malformed_shape"  # the report's keys
MALFORMED_ENTRY = "malformed_entry_of_a_photo"
GROUP_JOINED = "shapes_of_a_group_joined"


@dataclass
class RawLabels:
    """What a reader gives.

    Attributes:
        category_names: by the raw category ids of the instances.
        photos: their `dropped` are annotations that cannot be read, or are no masks.
        left_out: photos.
        dropped: annotations of no photo.
        photos_dir: where the format has the photos, which their names are relative to; None: it
            does not say.
    """

    category_names: Mapping[int, str]
    photos: list[RawPhoto] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)
    dropped: list[Note] = field(default_factory=list)
    photos_dir: Path | None = None


class Label(NamedTuple):
    """One garment.

    Attributes:
        instance: with its mask.
        polygons: the mask as the source drew it, flat [x, y, ...] lists in pixels; None: the
            source has pixels.
    """

    instance: Instance
    polygons: list[list[float]] | None


@dataclass(frozen=True)
class LabelledPhoto:
    """One photo and its garments.

    Attributes:
        file_name: relative to the photos' folder, with "/".
        height: of the masks, pixels.
        width: likewise.
        labels: empty for a photo without garments.
    """

    file_name: str
    height: int
    width: int
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class LabelSet:
    """What a writer takes; category_names[0] is that of category id 1."""

    category_names: tuple[str, ...]
    photos: Sequence[LabelledPhoto]


def label_from_raw(raw: RawInstance, category_id: int, size_hw: tuple[int, int]) -> Label:
    """Makes a garment's mask.

    Raises:
        SegmentationError: It is damaged, of no known form, or empty.
    """
    segmentation = raw.segmentation
    segment = segment_from_raw(segmentation, size_hw, size_hw)
    rle = segment.rle
    area = masks.area_from_rle(rle)
    if not area:
        raise SegmentationError("empty_mask", "expected a pixel of the photo in it")
    bbox = masks.bbox_from_rle(rle)
    instance = Instance(category_id, rle, bbox, area, raw.is_crowd, raw.attribute_ids)
    return Label(instance, _flat_polygons(segmentation))


def _flat_polygons(segmentation: object) -> list[list[float]] | None:
    """COCO's own form of polygons; None for any other, which only their mask tells apart."""
    if not isinstance(segmentation, list):
        return None
    flat = [
        [float(value) for value in polygon]
        for polygon in segmentation
        if isinstance(polygon, list)
        and len(polygon) >= 6
        and all(isinstance(value, int | float) for value in polygon)
    ]
    return flat if flat and len(flat) == len(segmentation) else None


def checked_size_hw(height: object, width: object, where: str) -> tuple[int, int]:
    """A photo's size as its annotations say it.

    Raises:
        ValueError: It is none, or of more pixels than any photo has.
    """
    height, width = (_whole(side) for side in (height, width))
    is_size = all(type(side) is int and side >= 1 for side in (height, width))
    if not (is_size and isinstance(height, int) and isinstance(width, int)):
        raise ValueError(f"{where}: size {width}x{height}, expected pixels; export it again.")
    if height * width > _MAX_PIXELS:
        raise ValueError(f"{where}: {width}x{height}, expected at most {_MAX_PIXELS:,} pixels.")
    return height, width


def _whole(side: object) -> object:
    """60.0, as scripts write, is 60; anything else stays what it is."""
    return int(side) if isinstance(side, float) and side.is_integer() else side


def coco_rle(mask: np.ndarray) -> dict:
    """A mask [height, width] as a json's RLE, {"size", "counts": text}."""
    return json_rle(masks.rle_from_mask(mask))


def json_rle(rle: dict) -> dict:
    """An RLE with its counts as text."""
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()}


def pasted_mask(crop: np.ndarray, left: int, top: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Puts a part of a mask in its place.

    Args:
        crop: [height, width] of the part, anything but 0 counts.
        left: of its first column, pixels; what lies outside the photo is cut off.
        top: of its first row, likewise.
        size_hw: of the photo.

    Returns:
        uint8 [height, width] of the photo, 0 or 1.
    """
    height, width = size_hw
    whole = np.zeros((height, width), np.uint8)
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + crop.shape[0], height), min(left + crop.shape[1], width)
    if y0 < y1 and x0 < x1:
        whole[y0:y1, x0:x1] = crop[y0 - top : y1 - top, x0 - left : x1 - left] != 0
    return whole


def join_groups(
    shapes: Sequence[tuple[RawInstance, object]], size_hw: tuple[int, int], file_name: str
) -> tuple[tuple[RawInstance, ...], tuple[Note, ...]]:
    """Makes one garment of the shapes that a tool has grouped, as the tools' own exports do.

    Args:
        shapes: each with its group, None for none; shapes of one group and category are joined.
        size_hw: of the photo, pixels.
        file_name: the photo's.

    Returns:
        The garments, in the order of their first shapes, and a note for each joined one.
    """
    groups: dict[object, list[RawInstance]] = {}
    for index, (shape, group) in enumerate(shapes):
        key = ("alone", index) if group is None else (group, shape.raw_category_id)
        groups.setdefault(key, []).append(shape)
    garments: list[RawInstance] = []
    notes = []
    for members in groups.values():
        joined = _joined(members, size_hw) if len(members) > 1 else None
        if joined is None:
            garments += members
            continue
        garments.append(joined)
        notes.append(Note(GROUP_JOINED, joined.record_id, file_name))
    return tuple(garments), tuple(notes)


def _joined(members: list[RawInstance], size_hw: tuple[int, int]) -> RawInstance | None:
    """None where a member is damaged: each is then told by itself."""
    first = members[0]
    if all(isinstance(member.segmentation, list) for member in members):
        segmentation: object = [p for member in members for p in member.segmentation]
    else:
        try:
            rles = [segment_from_raw(m.segmentation, size_hw, size_hw).rle for m in members]
        except SegmentationError:
            return None
        segmentation = json_rle(coco_mask.merge(rles))
    return RawInstance(first.record_id, first.raw_category_id, segmentation)
