"""Product photos with masks as a raw data set: of a COCO json, or of folders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.datasets.coco.reader import find_raw_files as find_coco_files
from data_prep.datasets.product.categories import category_ids
from data_prep.datasets.product.mask_folder import MaskFolder, mask_folder_source
from data_prep.datasets.product.photo_tree import (
    category_of,
    photo_tree_names,
    photo_tree_source,
)
from data_prep.readers.coco_json import CocoImage, CocoJson
from data_prep.readers.coco_source import coco_source
from data_prep.readers.photo_conversion import PhotoConverter, RecordConverter
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.photo_names import other_names
from data_prep.readers.raw_dataset import MASK_NOT_GOOD, NO_PRODUCT_FOUND, RawDataset, RawSource


def _is_photo_tree(raw_dir: Path) -> bool:
    if not raw_dir.is_dir() or any(raw_dir.glob("*.json")) or any(raw_dir.glob("*/*.json")):
        return False
    return bool(photo_tree_names(raw_dir))


@dataclass(frozen=True)
class ProductPaths:
    """Where the raw files lie.

    Attributes:
        photos_dir: the photos.
        annotations: the COCO json; None: the masks are files.
        masks_dir: the masks; None: there is a json, or else they are to be made.
    """

    photos_dir: Path
    annotations: Path | None = None
    masks_dir: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The json or the masks' folder and those below it, and the same of the photos."""
        if self.annotations is not None:
            return [self.annotations, self.photos_dir]
        folders = [path for path in (self.photos_dir, self.masks_dir) if path is not None]
        below = (path for folder in folders for path in folder.iterdir() if path.is_dir())
        return [*folders, *sorted(below)]


def find_raw_files(
    raw_dir: Path | None, annotations: Path | None = None, photos_dir: Path | None = None
) -> ProductPaths:
    """Finds the folder form in raw_dir, or else a COCO json.

    Args:
        raw_dir: holds photos/ and truth/, or what data_prep.datasets.coco takes, or a folder of
            photos for each category, whose masks are made then.
        annotations: the COCO json.
        photos_dir: the photos' folder.

    Raises:
        ValueError: There is neither.
    """
    if annotations is None and raw_dir is not None and (raw_dir / "truth").is_dir():
        photos_dir = photos_dir or raw_dir / "photos"
        if not photos_dir.is_dir():
            raise ValueError(
                f"{photos_dir}: no such folder; expected the photos of the masks in "
                f"{raw_dir / 'truth'}."
            )
        return ProductPaths(photos_dir, masks_dir=raw_dir / "truth")
    if annotations is None and raw_dir is not None and _is_photo_tree(raw_dir):
        return ProductPaths(raw_dir)
    annotations, photos_dir = find_coco_files(raw_dir, annotations, photos_dir)
    return ProductPaths(photos_dir, annotations=annotations)


def open_raw_dataset(
    paths: ProductPaths,
    max_side: int | None,
    keeps_own_categories: bool = False,
    only_good: bool = False,
) -> RawDataset:
    """Reads the json or lists the folders; no photos yet.

    Args:
        paths: from find_raw_files.
        max_side: the longest side to keep, pixels; None keeps the size.
        keeps_own_categories: see category_ids.
        only_good: leaves out masks that are unsure and not accepted.

    Raises:
        ValueError: The json is not what it should be, there is no photo, or a category that is
            none of ModaNet's.
    """
    labels = raw_category_names(paths)
    where = paths.annotations or paths.photos_dir
    names, ids = category_ids(labels, keeps_own_categories, where)
    return RawDataset(names, [open_source(paths, ids, max_side, only_good=only_good)])


def raw_category_names(paths: ProductPaths) -> Sequence[str]:
    """The categories of the json, in the order of their ids, or of the photos' folders.

    Raises:
        ValueError: There is none, or one is there twice.
    """
    names: Sequence[str]
    if paths.masks_dir is not None:
        names = MaskFolder(paths.photos_dir, paths.masks_dir).category_names()
    elif paths.annotations is None:
        names = sorted(set(map(category_of, photo_tree_names(paths.photos_dir))))
    else:
        by_id = CocoJson(paths.annotations).category_names
        names = [by_id[raw_id] for raw_id in sorted(by_id)]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"{paths.annotations or paths.photos_dir}: got the categories {names}, expected at "
            "least one and no name twice."
        )
    return names


def open_source(
    paths: ProductPaths,
    category_ids: Mapping[str, int | None],
    max_side: int | None,
    first_image_id: int = 1,
    only_good: bool = False,
) -> RawSource:
    """The photos as a source.

    Args:
        paths: from find_raw_files.
        category_ids: category -> the data set's id, None for one to leave out.
        max_side: the longest side to keep, pixels; None keeps the size.
        first_image_id: of the folder form's first photo; added to a json's ids, less 1.
        only_good: leaves out masks that are unsure and not accepted.
    """
    if paths.masks_dir is not None:
        folder = MaskFolder(paths.photos_dir, paths.masks_dir)
        return mask_folder_source(folder, category_ids, max_side, first_image_id)
    if paths.annotations is None:
        return photo_tree_source(paths.photos_dir, category_ids, max_side, first_image_id)
    coco = CocoJson(paths.annotations, add_to_image_ids=first_image_id - 1)
    coco.check_image_ids()
    raw_ids = {raw_id: category_ids[name] for raw_id, name in coco.category_names.items()}
    converter = RecordConverter(
        PhotoFolder(paths.photos_dir),
        PhotoConverter(raw_ids, max_side),
        other_names(paths.photos_dir, [image.file_name for image in coco.images]),
    )

    def unusable_reason(image: CocoImage) -> str | None:
        if only_good and image.is_unsure:
            return MASK_NOT_GOOD
        return None if coco.annotation_ids(image.image_id) else NO_PRODUCT_FOUND

    return coco_source(paths.annotations.name, coco, converter, unusable_reason)
