"""The folder form: photos/<category>/<name>.jpg with its mask truth/<category>/<name>.png."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from data_prep.readers.photo_conversion import (
    PhotoConverter,
    RawInstance,
    RawPhoto,
    RecordConverter,
)
from data_prep.readers.photo_encoding import png_is_whole
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import ImageKey, Note, RawSource
from tfseg.io.photo_files import is_photo_name, read_photo_bytes


@dataclass(frozen=True)
class MaskFolder:
    """The two folders; hidden files in them, as macOS leaves beside each, are none of it.

    Attributes:
        photos_dir: a folder a category.
        masks_dir: the same folders and names, PNG.
    """

    photos_dir: Path
    masks_dir: Path

    def category_names(self) -> tuple[str, ...]:
        """The photos' folders, sorted."""
        return tuple(path.name for path in _visible(self.photos_dir) if path.is_dir())

    def photo_names(self) -> list[str]:
        """The photos below photos_dir as category/name, sorted."""
        return [
            f"{category}/{path.name}"
            for category in self.category_names()
            for path in _visible(self.photos_dir / category)
            if is_photo_name(path.name)
        ]

    def mask_names(self) -> list[str]:
        """The masks below masks_dir as category/name, sorted."""
        return [
            f"{folder.name}/{path.name}"
            for folder in _visible(self.masks_dir)
            if folder.is_dir()
            for path in _visible(folder)
            if path.suffix == ".png"
        ]


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


class ProductRecord(NamedTuple):
    """One photo, its category's raw id and its mask's file."""

    image_id: int
    file_name: str
    raw_category_id: int
    mask_path: Path

    def raw_photo(self) -> RawPhoto:
        """Reads the mask; the photo has to have its size."""
        try:
            mask = _read_mask(self.mask_path)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            note = Note("mask_unreadable", self.image_id, self.file_name)
            return RawPhoto(
                self.image_id,
                self.file_name,
                annotated_hw=None,
                dropped=(note,),
                unusable_reason="mask_unreadable",
            )
        instance = RawInstance(self.image_id, self.raw_category_id, mask)
        return RawPhoto(self.image_id, self.file_name, mask.shape, (instance,))


@dataclass
class MaskFolderSource(RawSource):
    """The photos of a MaskFolder; make it with mask_folder_source."""

    product_records: dict[int, ProductRecord] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[ProductRecord]:
        """Yields each photo."""
        return (self.product_records[image_id] for image_id in image_ids)


def mask_folder_source(
    folder: MaskFolder,
    category_ids: Mapping[str, int | None],
    max_side: int | None,
    first_image_id: int,
) -> MaskFolderSource:
    """Pairs photos with masks; what has no partner is counted.

    Args:
        folder: the photos and masks.
        category_ids: the photos' folder -> category id, None for one to leave out.
        max_side: the longest side to keep, pixels; None keeps the size.
        first_image_id: of the first photo; the others follow in the names' order.
    """
    raw_ids = {name: raw_id for raw_id, name in enumerate(category_ids)}
    photo_converter = PhotoConverter(
        {raw_ids[name]: category_id for name, category_id in category_ids.items()}, max_side
    )
    converter = RecordConverter(PhotoFolder(folder.photos_dir), photo_converter)
    photo_names, mask_names = folder.photo_names(), set(folder.mask_names())
    source = MaskFolderSource("photos/ and truth/", len(photo_names), 0, converter)
    used = set()
    for image_id, name in enumerate(photo_names, start=first_image_id):
        mask_name = str(Path(name).with_suffix(".png"))
        if mask_name not in mask_names:
            source.left_out.append(Note("mask_missing", image_id, name))
            continue
        used.add(mask_name)
        raw_id = raw_ids[name.split("/")[0]]
        mask_path = folder.masks_dir / mask_name
        source.product_records[image_id] = ProductRecord(image_id, name, raw_id, mask_path)
        source.keys.append(ImageKey(image_id, f"photo {name}"))
    alone = sorted(mask_names - used)
    source.dropped = [Note("mask_without_photo", i, name) for i, name in enumerate(alone, start=1)]
    source.num_annotations = len(source.keys) + len(alone)
    return source


def _read_mask(path: Path) -> np.ndarray:
    """uint8 [height, width] of 0 and 1; a mask may be written as 0 and 255, or as 0 and 1."""
    encoded = read_photo_bytes(path)
    if not png_is_whole(encoded):
        raise ValueError(f"{path}: a checksum of the PNG is wrong")
    with Image.open(io.BytesIO(encoded)) as image:
        grey = np.asarray(image.convert("L"))
    return (grey > grey.max() // 2).astype(np.uint8) if grey.max() else np.zeros_like(grey)
