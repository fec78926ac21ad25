"""A review folder as a raw data set: accepted photos, corrected ones among them."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data_prep.build.splits import SplitPlan
from data_prep.datasets.reviewed.assignments import Assignment, assign
from data_prep.readers.photo_conversion import (
    PhotoConverter,
    RawInstance,
    RawPhoto,
    RecordConverter,
)
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import (
    NOT_REVIEWED,
    PHOTO_LEFT_OUT,
    REJECTED,
    REVIEW_BEGUN,
    ImageKey,
    Note,
    RawDataset,
    RawSource,
)
from data_prep.readers.review_folder import (
    ACCEPTED,
    ReviewedPhoto,
    ReviewFolder,
    is_corrected,
    read_review,
)
from data_prep.readers.review_folder import REJECTED as REJECTED_REVIEW

_INSTANCES_A_PHOTO = 1000  # an instance's place in its photo is below it


class ReviewedRecord(NamedTuple):
    """An accepted photo with its garments.

    Attributes:
        image_id: from splits.json.
        photo: as it was accepted.
        category_ids: by name.
        is_corrected: whether the garments are others than were predicted.
    """

    image_id: int
    photo: ReviewedPhoto
    category_ids: Mapping[str, int]
    is_corrected: bool

    def raw_photo(self) -> RawPhoto:
        """The photo; without garments it says that there is none."""
        photo = self.photo
        instances = tuple(
            RawInstance(
                self.image_id * _INSTANCES_A_PHOTO + place,
                self.category_ids[one.category],
                {"size": [photo.height, photo.width], "counts": one.counts},
            )
            for place, one in enumerate(photo.instances)
        )
        note = Note("photo_corrected_in_review", self.image_id, photo.file_name)
        return RawPhoto(
            self.image_id,
            photo.file_name,
            annotated_hw=(photo.height, photo.width),
            instances=instances,
            repairs=(note,) * self.is_corrected,
        )


@dataclass
class ReviewedSource(RawSource):
    """The accepted photos of a split."""

    reviewed: dict[int, ReviewedRecord] = field(default_factory=dict)

    def add(self, record: ReviewedRecord) -> None:
        """Adds an accepted photo."""
        self.reviewed[record.image_id] = record
        self.keys.append(ImageKey(record.image_id, f"photo {record.photo.file_name}"))
        self.num_photos += 1
        self.num_annotations += len(record.photo.instances)

    def leave_out(self, reason: str, photo: ReviewedPhoto) -> None:
        """Counts a photo that is not used, with its garments."""
        self.left_out.append(Note(reason, 0, photo.file_name))
        self.dropped += [Note(PHOTO_LEFT_OUT, 0, photo.file_name) for _ in photo.instances]
        self.num_photos += 1
        self.num_annotations += len(photo.instances)

    def records(self, image_ids: list[int]) -> Iterator[ReviewedRecord]:
        """Yields each photo with its garments."""
        return (self.reviewed[image_id] for image_id in image_ids)


def open_raw_dataset(review_dir: Path, max_side: int | None, plan: SplitPlan) -> RawDataset:
    """Reads the decisions; no photos yet. New photos get their split, see assignments.assign.

    Args:
        review_dir: of tfseg.predict --review_dir.
        max_side: the longest side to keep, pixels; None keeps the size.
        plan: how new photos are divided; with folds, how all are.

    Raises:
        ValueError: It is no review folder or a damaged one, or no photo is accepted.
    """
    folder = read_review(review_dir)
    accepted = {
        name: photo
        for name, photo in sorted(folder.photos.items())
        if not photo.error and photo.review == ACCEPTED
    }
    if not accepted:
        raise ValueError(
            f"{review_dir}: none of its {len(folder.photos)} photos is accepted; decide upon them "
            f"first with python -m data_prep.review --dir={review_dir}."
        )
    names = _category_names(folder, accepted)
    ids = {name: index for index, name in enumerate(names, start=1)}
    converter = RecordConverter(
        PhotoFolder(folder.photos_dir), PhotoConverter({i: i for i in ids.values()}, max_side)
    )
    # Folds are for a build, what is kept is for ever.
    kept_plan = plan if plan.num_folds is None else SplitPlan()
    kept = assign(review_dir, {name: p.dhash for name, p in accepted.items()}, kept_plan)
    sources: dict[str | None, ReviewedSource] = {}

    def source_of(assignment: Assignment | None) -> ReviewedSource:
        split = None if plan.num_folds is not None else assignment.split if assignment else "train"
        name = "review" if split is None else f"review, {split}"
        new = ReviewedSource(name, 0, 0, converter, split=split)
        return sources.setdefault(split, new)

    for name, photo in folder.photos.items():
        if name not in accepted:
            source_of(None).leave_out(_reason(photo), photo)
            continue
        corrected = is_corrected(photo, folder.predicted.get(name))
        source_of(kept[name]).add(ReviewedRecord(kept[name].image_id, photo, ids, corrected))
    return RawDataset(names, list(sources.values()))


def _reason(photo: ReviewedPhoto) -> str:
    if photo.error:
        return "photo_unreadable"
    if photo.review == REJECTED_REVIEW:
        return REJECTED
    return REVIEW_BEGUN if photo.is_touched else NOT_REVIEWED


def _category_names(folder: ReviewFolder, accepted: Mapping[str, ReviewedPhoto]) -> tuple[str, ...]:
    """The model's, then those that people added."""
    names = folder.settings.category_names
    used = {one.category for photo in accepted.values() for one in photo.instances}
    added = sorted(used - set(names))
    if added:
        print(
            f"further categories than the model's: {', '.join(added)}; a training has new outputs "
            "for them, and the set cannot be mixed with one that has not got them",
            file=sys.stderr,
        )
    return (*names, *added)
