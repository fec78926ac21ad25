"""The tree form: <category>/<name>.jpg without masks, which are made while the photos are read.

Only masks that are called good are taken: nobody has looked at them. To look at them, and to keep
those of the rest that are right, use data_prep.auto_mask and data_prep.review.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from data_prep.annotations.mask_confidence import GOOD
from data_prep.auto_mask.run import cut_photo
from data_prep.readers.photo_conversion import (
    PhotoConverter,
    RawInstance,
    RawPhoto,
    RecordConverter,
)
from data_prep.readers.photo_encoding import PhotoError
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import MASK_NOT_GOOD, PHOTO_LEFT_OUT, ImageKey, Note, RawSource
from tfseg.io.photo_files import FoundFiles, find_files


class TreeRecord(NamedTuple):
    """One photo and its category's raw id."""

    image_id: int
    file_name: str
    raw_category_id: int
    photos_dir: Path

    def raw_photo(self) -> RawPhoto:
        """Cuts the garment out: one instance of the folder's category, a pair of shoes too."""
        try:
            found = cut_photo(self.photos_dir / self.file_name)
        except PhotoError as error:
            return self._unusable(error.reason)
        except OSError:
            return self._unusable("photo_unreadable")
        if not found.products or found.confidence.score < GOOD:
            return self._unusable(MASK_NOT_GOOD)
        instance = RawInstance(self.image_id, self.raw_category_id, found.mask)
        return RawPhoto(self.image_id, self.file_name, found.mask.shape, (instance,))

    def _unusable(self, reason: str) -> RawPhoto:
        dropped = (Note(PHOTO_LEFT_OUT, self.image_id, self.file_name),)
        return RawPhoto(
            self.image_id, self.file_name, None, dropped=dropped, unusable_reason=reason
        )


@dataclass
class PhotoTreeSource(RawSource):
    """The photos of a tree; make it with photo_tree_source."""

    tree_records: dict[int, TreeRecord] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[TreeRecord]:
        """Yields each photo."""
        return (self.tree_records[image_id] for image_id in image_ids)


def photo_tree_names(photos_dir: Path) -> list[str]:
    """The photos in category folders, relative and sorted; those of splits' folders too."""
    return _names_of(find_files(photos_dir), photos_dir)


def _names_of(files: FoundFiles, photos_dir: Path) -> list[str]:
    found = (path.relative_to(photos_dir) for path in files.photos)
    return sorted(path.as_posix() for path in found if len(path.parts) > 1)


def category_of(name: str) -> str:
    """The category of a photo: its own folder, as in train/dress/1.jpg."""
    return name.split("/")[-2]


def photo_tree_source(
    photos_dir: Path, category_ids: Mapping[str, int | None], max_side: int | None, first_id: int
) -> PhotoTreeSource:
    """Lists the photos of a tree.

    Args:
        photos_dir: the tree.
        category_ids: folder -> category id, None for one to leave out.
        max_side: the longest side to keep, pixels; None keeps the size.
        first_id: of the first photo; the others follow in the names' order.
    """
    raw_ids = {label: raw_id for raw_id, label in enumerate(category_ids)}
    by_raw_id = {raw_ids[label]: category_id for label, category_id in category_ids.items()}
    converter = RecordConverter(PhotoFolder(photos_dir), PhotoConverter(by_raw_id, max_side))
    files = find_files(photos_dir)
    files.tell_others()
    names = _names_of(files, photos_dir)
    source = PhotoTreeSource(f"{photos_dir.name}/", len(names), len(names), converter)
    for image_id, name in enumerate(names, start=first_id):
        raw_id = raw_ids[category_of(name)]
        source.tree_records[image_id] = TreeRecord(image_id, name, raw_id, photos_dir)
        source.keys.append(ImageKey(image_id, f"photo {name}"))
    return source
