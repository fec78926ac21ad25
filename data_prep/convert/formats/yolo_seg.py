"""YOLO's segmentation format: a txt a photo, a line a garment: its class and one polygon.

Format: https://docs.ultralytics.com/datasets/segment/

data.yaml                     names: {0: bag, 1: dress}
images/train/a.jpg
labels/train/a.txt            1 0.25 0.5 0.30 0.61 ...      x and y, shares of width and height
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import yaml

from data_prep.convert.annotation_formats import AnnotationFormat, WriteOptions
from data_prep.convert.label_set import MALFORMED_ENTRY, MALFORMED_SHAPE, LabelSet, RawLabels
from data_prep.convert.photo_size import photo_size_hw
from data_prep.convert.written_polygons import Losses
from data_prep.readers.photo_conversion import RawInstance, RawPhoto
from data_prep.readers.raw_dataset import Note
from tfseg.io.photo_files import find_files

_SPLITS = ("train", "val", "valid", "test")
_NUM_DIGITS = 6  # of a pixel
_CLASSES_TXT = "classes.txt"
_DARKNET_FILES = frozenset({"obj.names", "obj.data"})  # of CVAT's 'YOLO 1.1'
_LARGEST_SHARE = 5  # of a side; what is beyond are pixels


def read(path: Path) -> RawLabels:
    """Reads a data set of the layout above; Roboflow's (train/images/, train/labels/) too.

    Args:
        path: its folder, or its yaml.

    Raises:
        ValueError: A file is missing, or it is CVAT's 'YOLO 1.1', which has no masks.
    """
    folder = path if path.is_dir() else path.parent
    _refuse_boxes_alone(path, folder)
    names_path = _names_path(path)
    names = _names(names_path)
    photos = find_files(folder).photos
    photos = [photo for photo in photos if _label_path(photo, folder) is not None]
    if not photos:
        raise ValueError(
            f"{folder}: no photo in images/, expected them there: without a photo's size its "
            "polygons have no pixels."
        )
    labels = RawLabels({number: name for number, name in names.items()}, photos_dir=folder)
    used = set()
    counter = iter(range(1, 1 << 62))
    for photo in photos:
        label_path = _label_path(photo, folder)
        assert label_path is not None
        used.add(label_path)
        name = photo.relative_to(folder).as_posix()
        try:
            labels.photos.append(_photo(photo, label_path, name, names, counter))
        except ValueError as error:
            labels.left_out.append(Note(MALFORMED_ENTRY, next(counter), name, str(error)))
    for text_path in sorted(folder.rglob("*.txt")):
        if "labels" in text_path.relative_to(folder).parts and text_path not in used:
            name = text_path.relative_to(folder).as_posix()
            labels.left_out.append(Note("txt_without_photo", next(counter), name))
    return labels


def _refuse_boxes_alone(path: Path, folder: Path) -> None:
    names = [path.name] if path.is_file() else [p.name for p in folder.glob("obj.*")]
    if not _DARKNET_FILES.isdisjoint(names) and _data_yaml(folder) is None:
        raise ValueError(
            f"{path}: CVAT's 'YOLO 1.1' (obj.names, obj.data), which has boxes and no masks; "
            "export the task again as 'CVAT for images 1.1', 'COCO 1.0' or 'Ultralytics YOLO "
            "Segmentation 1.0'."
        )


def _data_yaml(folder: Path) -> Path | None:
    """The file that names the categories; None: there is none."""
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        if isinstance(content, dict) and isinstance(content.get("names"), list | dict):
            return path
    return None


def _names_path(path: Path) -> Path:
    """data.yaml, or Label Studio's classes.txt, which has a name a line."""
    if not path.is_dir():
        is_names = path.suffix.lower() != ".txt" or path.name == _CLASSES_TXT
        found = path if is_names else None
    else:
        classes_path = path / _CLASSES_TXT
        found = _data_yaml(path) or (classes_path if classes_path.is_file() else None)
    if found is None:
        raise ValueError(
            f"{path}: no data.yaml with 'names' and no {_CLASSES_TXT}, expected one beside "
            "images/ and labels/."
        )
    return found


def _names(yaml_path: Path) -> dict[int, str]:
    if yaml_path.name == _CLASSES_TXT:
        lines = yaml_path.read_text(encoding="utf-8-sig").splitlines()
        return {n: line.strip() for n, line in enumerate(lines) if line.strip()}
    try:
        content = yaml.safe_load(yaml_path.read_text(encoding="utf-8"))
        names = content["names"]
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): str(name) for number, name in pairs}
    except (yaml.YAMLError, TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{yaml_path}: no 'names' of categories ({error!r}).") from error


def _label_path(photo: Path, folder: Path) -> Path | None:
    """Where a photo's txt is: in labels/ in place of images/; None: the photo is elsewhere."""
    parts = list(photo.relative_to(folder).parts)
    for index in reversed(range(len(parts) - 1)):
        if parts[index] == "images":
            parts[index] = "labels"
            return (folder / Path(*parts)).with_suffix(".txt")
    return None


def _photo(
    photo: Path, label_path: Path, name: str, names: dict[int, str], counter: Iterator[int]
) -> RawPhoto:
    size_hw = photo_size_hw(photo)
    instances, dropped = [], []
    repairs = []
    lines: list[str] = []
    if label_path.is_file():
        try:
            lines = label_path.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise ValueError(f"{label_path}: no text ({error}); export it again.") from error
    else:
        repairs = [Note("photo_without_txt_taken_as_one_without_garments", next(counter), name)]
    for index, line in enumerate(lines, start=1):
        words = line.split()
        if not words:
            continue
        where = f"{label_path.name}, line {index}"
        number = next(counter)
        try:
            category_id, values = _class_id(words[0]), [float(word) for word in words[1:]]
        except ValueError as error:
            detail = f"{where}: {error}; expected numbers"
            dropped.append(Note(MALFORMED_SHAPE, number, name, detail))
            continue
        if category_id not in names:
            detail = (
                f"{where}: class {category_id}, expected one of the data set's {len(names)} "
                "names, counted from 0"
            )
            dropped.append(Note("unknown_category", number, name, detail))
            continue
        if len(values) == 4:
            dropped.append(Note("box_is_no_mask", number, name))
            continue
        if any(abs(v) > _LARGEST_SHARE for v in values):
            detail = f"got {max(values, key=abs):g}, expected shares of the sides, 0 to 1"
            dropped.append(Note("polygon_in_pixels", number, name, detail))
            continue
        sides = [size_hw[1 - i % 2] for i in range(len(values))]
        pixels = [round(v * side, _NUM_DIGITS) for v, side in zip(values, sides, strict=True)]
        instances.append(RawInstance(number, category_id, [pixels]))
    image_id = next(counter)
    return RawPhoto(
        image_id, name, size_hw, tuple(instances), tuple(dropped), repairs=tuple(repairs)
    )


def _class_id(word: str) -> int:
    """0 of "0", and of "0.0", as scripts write.

    Raises:
        ValueError: It is no whole number.
    """
    number = float(word)
    if not number.is_integer():
        raise ValueError(f"class {word}")
    return int(number)


def write(labels: LabelSet, out_dir: Path, losses: Losses, options: WriteOptions) -> None:
    """Writes data.yaml and a txt a photo below labels/; the photos belong in images/.

    Args:
        labels: what to write.
        out_dir: gets them.
        losses: gets what polygons cost.
        options: none of them applies: a mask is one polygon.

    Raises:
        ValueError: Two photos would have one txt.
    """
    seen: dict[PurePosixPath, str] = {}
    for photo in labels.photos:
        name = PurePosixPath(_written_name(photo.file_name)).with_suffix(".txt")
        if name in seen:
            raise ValueError(
                f"{out_dir}: {seen[name]} and {photo.file_name} would both be {name}; rename one."
            )
        seen[name] = photo.file_name
        lines = []
        for label in photo.labels:
            losses.count_unheld(label)
            polygon = losses.one_polygon(label, _NUM_DIGITS, stays_inside=True)
            sides = (photo.width, photo.height) * (len(polygon) // 2)
            shares = [f"{v / side:.9g}" for v, side in zip(polygon, sides, strict=True)]
            if shares:
                lines.append(" ".join([str(label.instance.category_id - 1), *shares]) + "\n")
        path = out_dir / "labels" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")
    names = dict(enumerate(labels.category_names))
    content = {**_split_folders(seen.values()), "nc": len(names), "names": names}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (out_dir / "data.yaml").write_text(text, encoding="utf-8")


def _written_name(file_name: str) -> str:
    """A photo's name below images/: without the images/ that a YOLO data set's own names have."""
    parts = [part for part in PurePosixPath(file_name).parts if part != "images"]
    return str(PurePosixPath(*parts))


def _split_folders(file_names: Iterable[str]) -> dict[str, str]:
    tops = {PurePosixPath(_written_name(name)).parts[0] for name in file_names}
    found = {top for top in tops if top in _SPLITS}
    if not found or found != tops:
        return {"train": "images", "val": "images"}
    val = next((top for top in ("val", "valid", "test", "train") if top in found), "train")
    folders = {"train": "images/train" if "train" in found else f"images/{val}"}
    folders["val"] = f"images/{val}"
    if "test" in found:
        folders["test"] = "images/test"
    return folders


FORMAT = AnnotationFormat(
    tool="YOLO's txt files",
    read=read,
    write=write,
    holds=lambda suffix, head: suffix in (".yaml", ".yml", ".txt", ".names", ".data"),
    holds_folder=lambda folder: (
        _data_yaml(folder) is not None or any((folder / n).is_file() for n in _DARKNET_FILES)
    ),
    folder_pattern="labels/**/*.txt",
    photo_path=lambda name: f"images/{_written_name(name)}",
)
