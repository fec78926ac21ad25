"""What a data set's reader gives to the build: light records, and how to turn one into an image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from data_prep.annotations.annotated_image import AnnotatedImage

# Reasons of the report that are nobody's fault: they do not count against --max_bad_percent.
REJECTED = "rejected_in_review"
CATEGORY_LEFT_OUT = "category_left_out"
MASK_NOT_GOOD = "mask_not_good"
UNSURE_MASK = "photo_with_an_unsure_mask"
NO_PRODUCT_FOUND = "no_product_found"
ALL_LEFT_OUT_ON_PURPOSE = "all_annotations_left_out_on_purpose"
NO_PREDICTION = "no_prediction"
NOTHING_CONFIDENT = "no_confident_prediction"
ALREADY_LABELLED = "photo_has_labels_already"
TAG_NOT_FOUND = "something_tagged_was_not_found"
NOT_REVIEWED = "not_reviewed"
REVIEW_BEGUN = "review_begun_but_not_accepted"
PHOTO_LEFT_OUT = "photo_left_out"  # of an annotation: its photo counts instead
ENTRY_MERGED = "entry_of_the_same_photo_merged"
CROWD_IGNORED = "crowd_that_training_passes_over"
CROWD_AS_INSTANCE = "crowd_taken_as_an_instance"
ON_PURPOSE = frozenset(
    {
        *(ENTRY_MERGED, REJECTED, CATEGORY_LEFT_OUT, NO_PRODUCT_FOUND, MASK_NOT_GOOD),
        *(ALL_LEFT_OUT_ON_PURPOSE, NO_PREDICTION, NOTHING_CONFIDENT, ALREADY_LABELLED),
        *(NOT_REVIEWED, REVIEW_BEGUN, TAG_NOT_FOUND),
    }
)
# Of annotations: those that a limit on bad ones does not count, beside what is on purpose.
NOT_BAD = ON_PURPOSE | {
    *(PHOTO_LEFT_OUT, "duplicate_merged", "under_60_pixels", "empty_mask_at_this_size"),
    *("prediction_below_unsure_score", "prediction_of_the_same_garment_again"),
}


class Note(NamedTuple):
    """Why a photo or annotation was left out or changed.

    Attributes:
        reason: the report's key.
        record_id: of the photo or annotation.
        file_name: the photo's, "" where an annotation's photo is not known.
        detail: what was got and what was expected.
        category: the raw file's id of an annotation's category; None: not known, or a photo's.
    """

    reason: str
    record_id: int
    file_name: str
    detail: str = ""
    category: int | None = None


@dataclass
class Conversion:
    """What became of one record.

    Attributes:
        file_name: the photo's.
        image: None where the photo is left out for `left_out_reason`; left_out_detail says more.
        dropped: annotations of this photo that are not in `image`; all of them without an image.
        repairs: what was put right or merely noticed; ids of annotations, or of the photo where
            the reason begins with "photo".
    """

    file_name: str
    image: AnnotatedImage | None = None
    left_out_reason: str | None = None
    left_out_detail: str = ""
    dropped: list[Note] = field(default_factory=list)
    repairs: list[Note] = field(default_factory=list)


class ImageKey(NamedTuple):
    """The little that is held in memory for each photo.

    Attributes:
        image_id: 0 .. 2^24 - 1.
        split_key: images with the same one go to the same split.
    """

    image_id: int
    split_key: str


class Converter(Protocol):
    """Pickled to the worker processes, so it opens its files there."""

    def __call__(self, record: Any) -> Conversion:
        """Reads the record's photo and makes the image."""


@dataclass
class RawSource:
    """One raw file's photos.

    Attributes:
        name: as the report calls it, such as "train json"; unique within the data set.
        num_photos: in the raw file, the left-out ones included.
        num_annotations: in the raw file, likewise.
        converter: for this source's records.
        keys: the photos to read, by image id.
        left_out: photos already known to be unusable.
        dropped: annotations already known to be unusable, those of `left_out` included.
        split: where all of them go; None: divided by split_key into train, val and test.
        num_annotations_by_category: in the raw file, by its own category ids, where it is known.
    """

    name: str
    num_photos: int
    num_annotations: int
    converter: Converter
    keys: list[ImageKey] = field(default_factory=list)
    left_out: list[Note] = field(default_factory=list)
    dropped: list[Note] = field(default_factory=list)
    split: str | None = None
    num_annotations_by_category: Mapping[int, int] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[Any]:
        """Yields the record (pickled to the converter) of each image id, in that order."""
        raise NotImplementedError


@dataclass
class RawDataset:
    """A data set before preparation.

    Attributes:
        category_names: index 0 is category id 1.
        sources: image ids are unique over all of them.
        attribute_names: by the attribute ids that instances carry.
        photo_tags: the categories that photos without instances are said to show, by file name.
        required_splits: those that must not be empty; None: those that the caller asks for.
    """

    category_names: tuple[str, ...]
    sources: Sequence[RawSource]
    attribute_names: dict[int, str] = field(default_factory=dict)
    photo_tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    required_splits: tuple[str, ...] | None = None
