"""One raw photo with its annotations -> AnnotatedImage, with everything put right that can be."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from data_prep.annotations import masks
from data_prep.annotations.annotated_image import AnnotatedImage, BBox, Instance
from data_prep.annotations.segmentations import SegmentationError, segment_from_raw
from data_prep.readers.photo_encoding import Photo, PhotoError, prepare_photo
from data_prep.readers.raw_dataset import (
    ALL_LEFT_OUT_ON_PURPOSE,
    CATEGORY_LEFT_OUT,
    CROWD_AS_INSTANCE,
    CROWD_IGNORED,
    ON_PURPOSE,
    PHOTO_LEFT_OUT,
    Conversion,
    Note,
)


@dataclass(frozen=True)
class RawInstance:
    """One annotation as its raw file has it.

    Attributes:
        record_id: how the report calls it: the annotation's id, or its line in a csv.
        raw_category_id: the raw file's own.
        segmentation: any form that segment_from_raw takes.
        is_crowd: of a group that could not be told apart.
        bbox_xywh: the raw file's, only to count the wrong ones; None: it has none.
        attribute_ids: the raw file's own, ascending; None: not annotated.
    """

    record_id: int
    raw_category_id: int
    segmentation: Any = field(repr=False)
    is_crowd: bool = False
    bbox_xywh: Any = None
    attribute_ids: tuple[int, ...] | None = None


@dataclass(frozen=True)
class RawPhoto:
    """One photo as its raw files have it.

    Attributes:
        image_id: 0 .. 2^24 - 1.
        file_name: the photo's name in the raw data set.
        annotated_hw: (height, width) that the annotations were made at, pixels; None: not known.
        instances: the annotations that can be read.
        dropped: those that cannot.
        unusable_reason: the report's key, where the photo is known to be unusable.
        repairs: what was put right while the annotations were read.
    """

    image_id: int
    file_name: str
    annotated_hw: tuple[int, int] | None
    instances: tuple[RawInstance, ...] = ()
    dropped: tuple[Note, ...] = ()
    unusable_reason: str | None = None
    repairs: tuple[Note, ...] = ()


@dataclass(frozen=True)
class PhotoConverter:
    """RawPhoto and its file's bytes -> Conversion; box and area come from the masks.

    Attributes:
        category_ids: raw category id -> category id; None where the data set leaves it out.
        max_side: the longest side to keep, pixels; None keeps the size.
        crowds_are_instances: whether `iscrowd: 1` is a garment like any other, as drawing tools
            mean it; else it is COCO's region of a group, which training and evaluation pass over.
    """

    category_ids: Mapping[int, int | None]
    max_side: int | None
    crowds_are_instances: bool = False

    def convert(self, raw: RawPhoto, photo_bytes: bytes | None) -> Conversion:
        """Makes the image; a photo without any annotation is kept, without a usable one it is not.

        Args:
            raw: the photo's entry.
            photo_bytes: the photo's file; None where there is none.
        """
        if raw.unusable_reason is not None:
            return left_out(raw, raw.unusable_reason)
        try:
            if photo_bytes is None:
                raise PhotoError("photo_missing", "is not there")
            photo = prepare_photo(photo_bytes, self.max_side, raw.annotated_hw)
        except PhotoError as error:
            return left_out(raw, error.reason, str(error))
        conversion = Conversion(raw.file_name, dropped=list(raw.dropped), repairs=list(raw.repairs))
        conversion.repairs += [Note(c, raw.image_id, raw.file_name) for c in photo.changes]
        instances = []
        for raw_instance in raw.instances:
            instance = self._instance(raw_instance, raw, photo, conversion)
            if instance is not None:
                instances.append((raw_instance, instance))
        merged = _merge_duplicates(instances, raw, conversion)
        if conversion.dropped and not merged:
            on_purpose = all(note.reason in ON_PURPOSE for note in conversion.dropped)
            reason = ALL_LEFT_OUT_ON_PURPOSE if on_purpose else "no_usable_annotation"
            dropped = conversion.dropped
            detail = _told(dropped[0])
            return Conversion(raw.file_name, None, reason, detail, dropped)
        conversion.image = AnnotatedImage(
            raw.image_id, raw.file_name, photo.encoded, photo.height, photo.width, tuple(merged)
        )
        return conversion

    def _instance(
        self, raw_instance: RawInstance, raw: RawPhoto, photo: Photo, conversion: Conversion
    ) -> Instance | None:
        def note(reason: str, detail: str = "") -> Note:
            category = raw_instance.raw_category_id
            return Note(reason, raw_instance.record_id, raw.file_name, detail, category)

        if raw_instance.raw_category_id not in self.category_ids:
            known = ", ".join(map(str, list(self.category_ids)[:20]))
            detail = f"got category_id {raw_instance.raw_category_id}, expected one of {known}"
            conversion.dropped.append(note("unknown_category", detail))
            return None
        category_id = self.category_ids[raw_instance.raw_category_id]
        if category_id is None:
            conversion.dropped.append(note(CATEGORY_LEFT_OUT))
            return None
        photo_hw = (photo.height, photo.width)
        annotated_hw = raw.annotated_hw or photo_hw
        try:
            segment = segment_from_raw(raw_instance.segmentation, annotated_hw, photo_hw)
        except SegmentationError as error:
            conversion.dropped.append(note(error.reason, error.detail))
            return None
        area = masks.area_from_rle(segment.rle)
        if area == 0:
            is_lost = segment.extent.width > 0 and photo_hw != annotated_hw
            reason = "empty_mask_at_this_size" if is_lost else "empty_mask"
            conversion.dropped.append(note(reason))
            return None
        conversion.repairs += map(note, segment.repairs)
        if _is_box_elsewhere(raw_instance.bbox_xywh, segment.extent):
            conversion.repairs.append(note("box_of_another_instance"))
        is_crowd = raw_instance.is_crowd and not self.crowds_are_instances
        if raw_instance.is_crowd:
            conversion.repairs.append(note(CROWD_IGNORED if is_crowd else CROWD_AS_INSTANCE))
        return Instance(
            category_id=category_id,
            rle=segment.rle,
            bbox=masks.bbox_from_rle(segment.rle),
            area=area,
            is_crowd=is_crowd,
            attribute_ids=raw_instance.attribute_ids,
        )


def left_out(raw: RawPhoto, reason: str, detail: str = "") -> Conversion:
    """Leaves a photo out with all its annotations."""
    dropped = [Note(PHOTO_LEFT_OUT, i.record_id, raw.file_name) for i in raw.instances]
    return Conversion(raw.file_name, None, reason, detail, [*raw.dropped, *dropped])


def _told(note: Note) -> str:
    """An annotation's reason in words, such as "annotation 3, no mask: got segmentation []"."""
    words = f"annotation {note.record_id}, {note.reason.replace('_', ' ')}"
    return f"{words}: {note.detail}" if note.detail else words


class RawRecord(Protocol):
    """What a source's records are; light, since they travel to the worker processes."""

    def raw_photo(self) -> RawPhoto:
        """Parses the record."""


class PhotoReader(Protocol):
    """Where a data set's photos are."""

    def read_photo(self, raw: RawPhoto) -> bytes | None:
        """The photo's file; None where there is none; PhotoError where it cannot be used."""


@dataclass(frozen=True)
class RecordConverter:
    """RawRecord -> Conversion: parses, reads the photo, converts.

    Attributes:
        photos: where they are.
        converter: makes the image.
        other_names: the name that a photo has there by that in the raw file, where they differ;
            see photo_names.
    """

    photos: PhotoReader
    converter: PhotoConverter
    other_names: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, record: RawRecord) -> Conversion:
        """Makes one record's image."""
        raw = record.raw_photo()
        try:
            found = self.other_names.get(raw.file_name)
            if found is None:
                photo_bytes = self.photos.read_photo(raw)
            else:
                note = Note("photo_found_by_another_name", raw.image_id, raw.file_name, found)
                raw = replace(raw, repairs=(*raw.repairs, note))
                photo_bytes = self.photos.read_photo(replace(raw, file_name=found))
        except PhotoError as error:
            return left_out(raw, error.reason, str(error))
        return self.converter.convert(raw, photo_bytes)


def _is_box_elsewhere(bbox_xywh: Any, extent: BBox) -> bool:
    """Whether a raw box has its polygon's size but another place.

    ModaNet's pairs of shoes: bbox [200, 506, 27, 53] with its polygon at [109, 473, 27, 53].
    """
    if not isinstance(bbox_xywh, list) or len(bbox_xywh) != 4:
        return False
    if not set(map(type, bbox_xywh)) <= {int, float}:
        return False
    x, y, width, height = bbox_xywh
    same_size = abs(width - extent.width) <= 1 and abs(height - extent.height) <= 1
    same_place = abs(x - extent.xmin) <= 1 and abs(y - extent.ymin) <= 1
    return same_size and not same_place


def _merge_duplicates(
    instances: list[tuple[RawInstance, Instance]], raw: RawPhoto, conversion: Conversion
) -> list[Instance]:
    """Makes one of instances of one category with the very same mask; attributes are united."""
    merged: dict[tuple, Instance] = {}
    for raw_instance, instance in instances:
        key = (instance.category_id, instance.is_crowd, bytes(instance.rle["counts"]))
        if key in merged:
            found = merged[key].attribute_ids, instance.attribute_ids
            known = [attribute_ids for attribute_ids in found if attribute_ids is not None]
            both = tuple(sorted(set().union(*known))) if known else None
            merged[key] = replace(merged[key], attribute_ids=both)
            conversion.dropped.append(
                Note("duplicate_merged", raw_instance.record_id, raw.file_name)
            )
        else:
            merged[key] = instance
    return list(merged.values())
