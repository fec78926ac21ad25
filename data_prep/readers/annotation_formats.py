"""Tells in which tool's format annotations are, by what a file or folder holds."""

import re
import shlex
from pathlib import Path

import yaml

COCO, CVAT_XML, LABEL_STUDIO, LABELME, YOLO_SEG = FORMATS = (
    *("coco", "cvat_xml", "label_studio", "labelme", "yolo_seg"),
)
TOOLS = {
    COCO: "a COCO json",
    CVAT_XML: "CVAT's XML for images",
    LABEL_STUDIO: "Label Studio's json",
    LABELME: "labelme's json",
    YOLO_SEG: "YOLO's txt files",
}
_HEAD_BYTES = 1 << 16
_LABEL_STUDIO_KEY = re.compile(r'"(data|annotations|completions|result)"\s*:')
_LABELME_KEY = re.compile(r'"(shapes|imagePath)"\s*:')
_CVAT_ROOT = re.compile(r"<annotations[\s>]")


def format_of(path: Path) -> str | None:
    """Returns one of FORMATS; None where nothing says which.

    Args:
        path: a file, or a folder of a data set.
    """
    return _of_folder(path) if path.is_dir() else _of_file(path)


def refuse_other_formats(path: Path) -> None:
    """Lets COCO pass, and what nothing is known of: its reader says what is wrong.

    Args:
        path: a file, or a folder of a data set.

    Raises:
        ValueError: It is another tool's; the message has the command that converts it.
    """
    found = format_of(path)
    if found in (None, COCO):
        return
    # labelme has a json a photo: its folder is the data set.
    source = path.parent if found == LABELME and path.is_file() else path
    raise ValueError(
        f"{path}: {TOOLS[found]}, expected COCO's; convert it first: python -m data_prep.convert "
        f"--from={found} --to=coco {shlex.quote(str(source))} OUT.json --photos_dir=PHOTOS"
    )


def yolo_data_yaml(folder: Path) -> Path | None:
    """The file of a YOLO data set that names its categories; None: there is none."""
    for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        if isinstance(content, dict) and isinstance(content.get("names"), list | dict):
            return path
    return None


def _of_folder(folder: Path) -> str | None:
    if yolo_data_yaml(folder):
        return YOLO_SEG
    for pattern in ("*.json", "annotations/*.json", "*.xml", "*/*.json", "*/*.xml"):
        for path in sorted(folder.glob(pattern))[:5]:
            found = _of_file(path)
            if found:
                return found
    return YOLO_SEG if next(folder.glob("labels/**/*.txt"), None) else None


def _of_file(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml", ".txt"):
        return YOLO_SEG
    if suffix not in (".json", ".xml") or not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = head.decode(encoding, "replace").lstrip()
    if suffix == ".xml":
        return CVAT_XML if _CVAT_ROOT.search(text) else None
    if text.startswith("["):
        return LABEL_STUDIO if _LABEL_STUDIO_KEY.search(text) else None
    if not text.startswith("{"):
        return None
    return LABELME if _LABELME_KEY.search(text) and '"images"' not in text else COCO
