"""Where tools put the jsons and the photos of a COCO data set, and the splits they made.

my.json or annotations/my.json, photos in images/, photos/, data/ or beside it
annotations/instances_train2017.json, train2017/                COCO itself
train/_annotations.coco.json, valid/, test/, photos beside      Roboflow, supervision
labels.json, data/                                              FiftyOne
result.json, images/                                            Label Studio
annotations/instances_default.json, images/default/             CVAT, Datumaro
"""

import re
from pathlib import Path
from typing import NamedTuple

from data_prep.convert.annotation_formats import refuse_other_formats
from data_prep.readers.photo_names import is_file

_SPLIT = re.compile(r"(?<![a-z])(train|validation|valid|val|test)(?![a-z])", re.IGNORECASE)
_SPLIT_NAMES = {"valid": "val", "validation": "val"}
_FILE_NAME = re.compile(r'"file_name"\s*:\s*"((?:[^"\\]|\\.)*)"')
_SAMPLE_BYTES = 1 << 20
_NUM_SAMPLED = 50


class Part(NamedTuple):
    """One json of a data set.

    Attributes:
        annotations: the json.
        photos_dir: what its file_name are relative to.
        split: the one that its tool put it in: "train", "val" or "test"; None: no such thing.
    """

    annotations: Path
    photos_dir: Path
    split: str | None = None


def find_parts(
    raw_dir: Path | None, annotations: Path | None = None, photos_dir: Path | None = None
) -> list[Part]:
    """Finds the jsons and the photos of each.

    Args:
        raw_dir: a folder of one of the layouts above.
        annotations: the json, where it is elsewhere.
        photos_dir: the photos' folder, likewise.

    Raises:
        ValueError: One of them is missing, or there are several jsons and not one a split.
    """
    if annotations is not None:
        jsons = [annotations]
    elif raw_dir is None:
        raise ValueError("no COCO json; give --annotations, or its folder as --raw_dir.")
    elif not raw_dir.is_dir():
        raise ValueError(f"{raw_dir}: no such folder; give the folder of a COCO json as --raw_dir.")
    else:
        jsons = _jsons(raw_dir)
    for path in jsons:
        if not path.is_file():
            raise ValueError(f"{path}: no such file; give the COCO json as --annotations.")
        refuse_other_formats(path, raw_dir)
    if photos_dir is not None and not photos_dir.is_dir():
        raise ValueError(f"{photos_dir}: no such folder; give the photos' folder as --photos_dir.")
    base = raw_dir or jsons[0].parent
    splits = [split_of(path, base) for path in jsons] if len(jsons) > 1 else [None]
    if len(jsons) > 1 and (None in splits or len(set(splits)) < len(splits)):
        names = ", ".join(path.relative_to(base).as_posix() for path in jsons[:4])
        raise ValueError(f"{base}: several jsons ({names}); say which one with --annotations.")
    return [
        Part(path, photos_dir or _photos_dir(path, base), split)
        for path, split in zip(jsons, splits, strict=True)
    ]


def split_of(path: Path, base: Path) -> str | None:
    """The split that a json's own name, or else the name of its folder, says."""
    for name in (path.stem, *reversed(path.relative_to(base).parts[:-1])):
        found = _SPLIT.findall(re.sub(r"\d+|_", " ", name))
        if len(found) == 1:
            name = found[0].lower()
            return _SPLIT_NAMES.get(name, name)
    return None


def _jsons(raw_dir: Path) -> list[Path]:
    for pattern in ("*.json", "annotations/*.json", "*/*.json"):
        found = sorted(path for path in raw_dir.glob(pattern) if not path.name.startswith("."))
        # COCO's own captions and key points lie beside its instances.
        instances = [path for path in found if path.name.startswith("instances")]
        if found:
            return instances or found
    refuse_other_formats(raw_dir)
    raise ValueError(
        f"{raw_dir}: no json here, in annotations/ or in a folder of a split; give --annotations."
    )


def _photos_dir(path: Path, base: Path) -> Path:
    """Of the folders where photos may be, the one that holds most of the json's first names."""
    tag = path.stem.removeprefix("instances_")
    images = base / "images"
    candidates = [images / tag, base / tag, images, base / "photos", base / "data", path.parent]
    folders = [folder for folder in dict.fromkeys((*candidates, base)) if folder.is_dir()]
    names = _first_names(path)

    def num_found(folder: Path) -> int:
        return sum(is_file(folder / name) for name in names)

    return max(folders, key=num_found)  # the first of the best


def _first_names(path: Path) -> list[str]:
    with path.open("rb") as file:
        start = file.read(_SAMPLE_BYTES).decode("utf-8", "replace")
    names = [name.replace("\\/", "/") for name in _FILE_NAME.findall(start)]
    return [name for name in names if "\0" not in name][:_NUM_SAMPLED]
