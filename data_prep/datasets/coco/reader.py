"""COCO jsons with their photos in folders."""

from collections.abc import Sequence
from pathlib import Path

from data_prep.convert.coco_layouts import Part, find_parts
from data_prep.readers.coco_categories import used_categories
from data_prep.readers.coco_json import CocoJson
from data_prep.readers.coco_source import coco_source
from data_prep.readers.photo_conversion import PhotoConverter, RecordConverter
from data_prep.readers.photo_folder import PhotoFolder
from data_prep.readers.photo_names import other_names
from data_prep.readers.raw_dataset import RawDataset, RawSource


def find_raw_files(
    raw_dir: Path | None, annotations: Path | None = None, photos_dir: Path | None = None
) -> tuple[Path, Path]:
    """Finds a data set's one json and the photos' folder; as find_parts.

    Raises:
        ValueError: One of them is missing, or raw_dir has several jsons.
    """
    parts = find_parts(raw_dir, annotations, photos_dir)
    if len(parts) > 1:
        names = ", ".join(part.annotations.name for part in parts[:4])
        raise ValueError(f"{raw_dir}: several jsons ({names}); say which one with --annotations.")
    return parts[0][:2]


def open_raw_dataset(
    parts: Sequence[Part],
    max_side: int | None,
    crowds_are_instances: bool = False,
    keeps_splits: bool = True,
) -> RawDataset:
    """Reads the jsons; no photos yet. Category ids become 1, 2, ... in the order of the json's.

    Args:
        parts: from find_parts.
        max_side: the longest side to keep, pixels; None keeps the size.
        crowds_are_instances: see PhotoConverter.
        keeps_splits: whether each part stays in the split that its tool put it in; else all are
            divided alike. Where no part is for val, train's photos are divided into both.

    Raises:
        ValueError: A json is not what it should be.
    """
    jsons: list[CocoJson] = []
    for part in parts:
        coco = CocoJson(part.annotations, add_to_image_ids=_first_free_id(jsons))
        coco.check_image_ids()
        jsons.append(coco)
    names_by_id = [used_categories(coco) for coco in jsons]
    names = tuple(dict.fromkeys(by_id[i] for by_id in names_by_id for i in sorted(by_id)))
    category_ids = {name: index for index, name in enumerate(names, start=1)}
    has_val = any(part.split == "val" for part in parts)
    sources: list[RawSource] = []
    for part, coco, by_id in zip(parts, jsons, names_by_id, strict=True):
        converter = RecordConverter(
            PhotoFolder(part.photos_dir),
            PhotoConverter(
                {raw_id: category_ids[name] for raw_id, name in by_id.items()},
                max_side,
                crowds_are_instances,
            ),
            other_names(part.photos_dir, [image.file_name for image in coco.images]),
        )
        source = coco_source(_source_name(part, parts), coco, converter)
        if keeps_splits and (has_val or part.split != "train"):
            source.split = part.split
        sources.append(source)
    attribute_names: dict[int, str] = {}
    for coco in jsons:
        attribute_names |= coco.attribute_names
    return RawDataset(names, sources, attribute_names)


def _first_free_id(jsons: Sequence[CocoJson]) -> int:
    """What is added to a further json's image ids, so that they are apart from the others'."""
    return max((image.image_id + 1 for coco in jsons for image in coco.images), default=0)


def _source_name(part: Part, parts: Sequence[Part]) -> str:
    names = [other.annotations.name for other in parts]
    path = part.annotations
    return path.name if names.count(path.name) == 1 else f"{path.parent.name}/{path.name}"
