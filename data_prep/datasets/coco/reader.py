"""A COCO json with its photos in a folder."""

from pathlib import Path

from data_prep.readers.coco_json import CocoJson
from data_prep.readers.coco_source import coco_source
from data_prep.readers.photo_conversion import PhotoConverter, RecordConverter
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.raw_dataset import RawDataset


def find_raw_files(
    raw_dir: Path | None, annotations: Path | None = None, photos_dir: Path | None = None
) -> tuple[Path, Path]:
    """Completes the places that are not given with raw_dir's layout.

    Args:
        raw_dir: holds one json, or annotations/ with one; the photos in images/ or photos/, or
            beside the json.
        annotations: the json.
        photos_dir: the photos' folder.

    Returns:
        The json and the photos' folder.

    Raises:
        ValueError: One of them is missing, or raw_dir has several jsons.
    """
    if annotations is None:
        annotations = _only_json(raw_dir)
    if not annotations.is_file():
        raise ValueError(f"{annotations}: no such file; give the COCO json as --annotations.")
    if photos_dir is None:
        base = raw_dir or annotations.parent
        found = [base / name for name in ("images", "photos") if (base / name).is_dir()]
        photos_dir = found[0] if found else base
    if not photos_dir.is_dir():
        raise ValueError(f"{photos_dir}: no such folder; give the photos' folder as --photos_dir.")
    return annotations, photos_dir


def _only_json(raw_dir: Path | None) -> Path:
    if raw_dir is None:
        raise ValueError("no COCO json; give --annotations, or its folder as --raw_dir.")
    if not raw_dir.is_dir():
        raise ValueError(f"{raw_dir}: no such folder; give the folder of a COCO json as --raw_dir.")
    for folder in (raw_dir, raw_dir / "annotations"):
        found = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.name for path in found[:4])
            raise ValueError(
                f"{folder}: several jsons ({names}); say which one with --annotations."
            )
    raise ValueError(f"{raw_dir}: no json here or in annotations/; give --annotations.")


def open_raw_dataset(annotations: Path, photos_dir: Path, max_side: int | None) -> RawDataset:
    """Reads the json; no photos yet. Category ids become 1, 2, ... in the order of the json's.

    Args:
        annotations: the json.
        photos_dir: the photos' folder.
        max_side: the longest side to keep, pixels; None keeps the size.

    Raises:
        ValueError: The json is not what it should be.
    """
    coco = CocoJson(annotations)
    coco.check_image_ids()
    raw_ids = sorted(coco.category_names)
    names = tuple(coco.category_names[raw_id] for raw_id in raw_ids)
    if not names or len(set(names)) < len(names):
        raise ValueError(
            f"{annotations}: got the categories {names}, expected at least one and no name twice."
        )
    category_ids = {raw_id: index for index, raw_id in enumerate(raw_ids, start=1)}
    converter = RecordConverter(PhotoFolder(photos_dir), PhotoConverter(category_ids, max_side))
    return RawDataset(names, [coco_source(annotations.name, coco, converter)])
