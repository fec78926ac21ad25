"""Converts a COCO json's masks to each annotation tool's format and back, and compares them.

python -m tests.benchmarks.label_formats --annotations=my.json --photos_dir=PHOTOS

Prints, by format: garments, those equal in every pixel, mean and worst IoU, seconds there and back,
megabytes.
"""

import tempfile
import time
from pathlib import Path

from absl import flags
from pycocotools import mask as coco_mask

from data_prep.convert.formats import coco
from data_prep.convert.run import ConversionOptions, convert
from tfseg.io import command_line

FLAGS = flags.FLAGS
_WAYS = (
    ("cvat_xml", "source", "masks.xml"),
    ("label_studio", "source", "brush.json"),
    ("labelme", "source", "labelme"),
    ("coco", "polygons", "polygons.json"),
    ("cvat_xml", "polygons", "polygons.xml"),
    ("label_studio", "polygons", "polygons_ls.json"),
    ("yolo_seg", "polygons", "yolo"),
)


def define_flags() -> None:
    """Defines the flags; only the program that runs does."""
    command_line.define_path("annotations", None, "A COCO json.", required=True)
    command_line.define_path("photos_dir", None, "Its photos.", required=True)


def main(argv: list[str]) -> None:
    """Prints the table."""
    command_line.refuse_arguments(argv)
    photos_dir = Path(FLAGS.photos_dir)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        truth_path = root / "truth.json"
        options = ConversionOptions(photos_dir, "rle")
        convert("coco", Path(FLAGS.annotations), "coco", truth_path, options)
        truth = _masks(truth_path)
        for target, masks_as, name in _WAYS:
            path, back = root / name, root / f"{name}.back.json"
            options = ConversionOptions(photos_dir, masks_as, copies_photos=target == "yolo_seg")
            start = time.monotonic()
            convert("coco", truth_path, target, path, options)
            there_s = time.monotonic() - start
            options = ConversionOptions(None if target == "yolo_seg" else photos_dir, "rle")
            convert(target, path, "coco", back, options)
            back_s = time.monotonic() - start - there_s
            _tell(f"{target}, {masks_as}", truth, _masks(back), there_s, back_s, path)


def _masks(path: Path) -> dict[str, list]:
    """The RLEs of each photo, by its name."""
    raw = coco.read(path)
    found: dict[str, list] = {}
    for photo in raw.photos:
        rles = [instance.segmentation for instance in photo.instances]
        found[photo.file_name.removeprefix("images/")] = rles
    return found


def _tell(
    what: str,
    truth: dict[str, list],
    back: dict[str, list],
    there_s: float,
    back_s: float,
    path: Path,
) -> None:
    ious, num_equal = [], 0
    for name, rles in truth.items():
        # Label Studio's tasks and YOLO's lines keep the order, less what is left out as too small.
        others = back[name]
        table = coco_mask.iou(others, rles, [0] * len(rles)) if rles and others else None
        for index, rle in enumerate(rles):
            ious.append(float(table[:, index].max()) if table is not None else 0.0)
            num_equal += any(other["counts"] == rle["counts"] for other in others)
    files = [path] if path.is_file() else [*path.rglob("*.json"), *path.rglob("*.txt")]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    print(
        f"| {what} | {len(ious)} | {num_equal} | {sum(ious) / len(ious):.4f} | {min(ious):.4f} | "
        f"{there_s:.1f} + {back_s:.1f} | {megabytes:.1f} |",
        flush=True,
    )


if __name__ == "__main__":
    command_line.run(define_flags, main)
