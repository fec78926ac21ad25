"""The photos of a COCO json as a source of records."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from data_prep.readers.coco_json import CocoImage, CocoJson, CocoRecord
from data_prep.readers.raw_dataset import (
    ENTRY_MERGED,
    PHOTO_LEFT_OUT,
    REJECTED,
    Converter,
    ImageKey,
    Note,
    RawSource,
)


@dataclass
class CocoSource(RawSource):
    """The usable photos of one COCO json; make it with coco_source.

    Attributes:
        coco: the json.
        images: the entries of the photos to read, by image id.
        merged_ids: further image ids of the same photo, by the id of its first entry.
    """

    coco: CocoJson = field(kw_only=True)
    images: dict[int, CocoImage] = field(default_factory=dict)
    merged_ids: dict[int, list[int]] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[CocoRecord]:
        """Yields each photo's entry with its annotations."""
        return (
            self.coco.record(self.images[image_id], self.merged_ids.get(image_id, ()))
            for image_id in image_ids
        )


def coco_source(
    name: str,
    coco: CocoJson,
    converter: Converter,
    unusable_reason: Callable[[CocoImage], str | None] = lambda image: None,
    split_key: Callable[[CocoImage], str] = lambda image: f"photo {image.file_name}",
) -> CocoSource:
    """Divides a json's photos into usable and left-out ones; nothing is lost uncounted.

    Args:
        name: as the report calls the source.
        coco: the json.
        converter: of a CocoRecord.
        unusable_reason: the report's key for a photo known to be unusable; None for the others.
        split_key: of a usable photo; unless given its file, which two entries may share.
    """
    source = CocoSource(name, len(coco.images), coco.num_annotations, converter, coco=coco)
    source.num_annotations_by_category = dict(coco.num_annotations_by_category)
    source.dropped = [Note("image_not_in_json", i, "") for i in coco.orphan_annotation_ids()]
    seen: set[int] = set()
    first_of_file: dict[tuple, int] = {}
    for image in sorted(coco.images, key=lambda image: image.image_id):
        if image.image_id in seen:  # its annotations are with the first of them
            source.left_out.append(Note("repeated_in_json", image.image_id, image.file_name))
            continue
        seen.add(image.image_id)
        reason = REJECTED if image.is_rejected else unusable_reason(image)
        if reason is None:
            # A photo listed twice is one photo: as two, each would have garments unmarked.
            same = (image.file_name, image.height, image.width)
            first = first_of_file.setdefault(same, image.image_id)
            if first != image.image_id:
                source.merged_ids.setdefault(first, []).append(image.image_id)
                source.left_out.append(Note(ENTRY_MERGED, image.image_id, image.file_name))
                continue
            source.images[image.image_id] = image
            source.keys.append(ImageKey(image.image_id, split_key(image)))
            continue
        source.left_out.append(Note(reason, image.image_id, image.file_name))
        source.dropped += [
            Note(PHOTO_LEFT_OUT, annotation_id, image.file_name)
            for annotation_id in coco.annotation_ids(image.image_id)
        ]
    return source
