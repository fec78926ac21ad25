"""Writes tool_files/ anew: what the tools' own packages make of the drawn garments.

ANNOTATION_TOOL_PYTHONS=... python -m tests.data_prep.convert.write_tool_files
"""

import shutil
import tempfile
from pathlib import Path

from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.convert import drawn_labels
from tests.data_prep.convert.tool_runs import run_tool

FILES_DIR = Path(__file__).parent / "tool_files"
WITHOUT = ("bag",)  # its speckled mask would be most of the bytes


def main() -> None:
    """Runs the tools one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        photos_dir = drawn_labels.write_photos(root / "photos")
        source = drawn_labels.write_coco(root / "source.json", WITHOUT)

        def ours(target: str, name: str, masks_as: str = "source", copies: bool = False) -> Path:
            options = ConversionOptions(photos_dir, masks_as, copies_photos=copies)
            convert("coco", source, target, root / name, options)
            return root / name

        raw = root / "dm"
        (raw / "annotations").mkdir(parents=True)
        shutil.copy(ours("coco", "coco.json"), raw / "annotations/instances_default.json")
        shutil.copytree(photos_dir, raw / "images/default")
        for kind in ("cvat", "coco_instances"):
            run_tool("datumaro", "datumaro_convert.py", raw, "coco_instances", root / kind, kind)
        _keep(root / "cvat/default.xml", "datumaro_1.13.12.xml")
        coco = root / "coco_instances/annotations/instances_default.json"
        _keep(coco, "datumaro_1.13.12_coco.json")

        tasks = ours("label_studio", "tasks.json")
        config = tasks.with_suffix(".label_config.xml")
        run_tool("label_studio_sdk", "label_studio_export.py", tasks, config, root / "ls")
        _keep(root / "ls/tasks.json", "label_studio_sdk_2.1.2.json")
        polygons = ours("coco", "polygons.json", "one_polygon")
        converted = root / "converted.json"
        run_tool("label_studio_converter", "label_studio_import.py", polygons, converted)
        _keep(converted, "label_studio_converter_0.0.59.json")

        labelme = (ours("labelme", "labelme", copies=True) / "dress/red one.json").resolve()
        saved = root / "saved.json"
        run_tool("labelme", "labelme_masks.py", labelme, root / "masks.npz", saved)
        _keep(saved, "labelme_6.3.1.json")

        flat = root / "coco.json"
        run_tool("supervision", "supervision_convert.py", "coco", photos_dir, flat, root / "sv")
        _keep(root / "sv/coco/labels.json", "supervision_0.31.2_coco.json")
        run_tool("fiftyone", "fiftyone_convert.py", photos_dir, flat, "coco", root / "fo")
        _keep(root / "fo/labels.json", "fiftyone_1.22.1_coco.json")


def _keep(path: Path, name: str) -> None:
    FILES_DIR.mkdir(exist_ok=True)
    shutil.copyfile(path, FILES_DIR / name)


if __name__ == "__main__":
    main()
