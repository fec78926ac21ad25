"""Checks of challenge files against the published rules.

python -m tfseg.submission_checks --fgvc6=submission.csv --sample_submission=sample_submission.csv
python -m tfseg.submission_checks --modanet=challenge.json --val_json=modanet2018_instances_val.json
"""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
from absl import flags
from pycocotools import mask as coco_mask

from tfseg.evaluation import coco_metrics, coco_results
from tfseg.io import command_line
from tfseg.prediction.submissions import FGVC6_COLUMNS, FGVC6_NUM_ATTRIBUTES, FGVC6_SIDE

FLAGS = flags.FLAGS
_CLASS_ID = re.compile(r"\d+(_\d+)*")  # a category, then attributes
_MOST_SHOWN = 20


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("fgvc6", None, "A submission csv of the FGVC6 competition.")
    command_line.define_path("sample_submission", None, "The competition's sample_submission.csv.")
    command_line.define_path("modanet", None, "A results json of the ModaNet challenge.")
    command_line.define_path("val_json", None, "ModaNet's modanet2018_instances_val.json.")


def fgvc6_faults(path: str | Path, sample_path: str | Path | None = None) -> list[str]:
    """Checks a csv: columns, ids, runs inside 512 x 512 and in order, no overlap within an image.

    Args:
        path: The submission.
        sample_path: sample_submission.csv, whose images are all that there may and must be.

    Returns:
        A line for each fault, naming the csv's line; none where all is well.

    Raises:
        ValueError: sample_path is another file.
    """
    faults, seen = [], set()
    taken: dict[str, np.ndarray] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        header = tuple(next(reader, ()))
        if header != FGVC6_COLUMNS:
            return [f"line 1: columns are {header}, expected {FGVC6_COLUMNS}"]
        for row in reader:
            where = f"line {reader.line_num}"
            if len(row) != 3:
                faults.append(f"{where}: {len(row)} columns, expected 3")
                continue
            image_id, encoded, class_id = row
            seen.add(image_id)
            faults += [f"{where}: {fault}" for fault in _class_id_faults(class_id)]
            mask, fault = _decode(encoded)
            if fault:
                faults.append(f"{where}: {fault}")
                continue
            bits = np.packbits(mask)  # 32 KB an image: there are thousands, in any order
            before = taken.get(image_id, np.uint8(0))
            if (before & bits).any():
                faults.append(f"{where}: its mask overlaps another of {image_id}")
            taken[image_id] = before | bits
    if sample_path is not None:
        with Path(sample_path).open(newline="", encoding="utf-8") as file:
            rows = csv.DictReader(file)
            if "ImageId" not in (rows.fieldnames or ()):
                raise ValueError(f"{sample_path}: has no column ImageId, expected FGVC6's.")
            wanted = {row["ImageId"] for row in rows}
        faults += [f"image {image_id} of the test set has no row" for image_id in wanted - seen]
        faults += [f"image {image_id} is not in the test set" for image_id in seen - wanted]
    return faults


def _class_id_faults(class_id: str) -> list[str]:
    category, *attributes = class_id.split("_")
    if not _CLASS_ID.fullmatch(class_id) or int(category) > 45:
        return [f"ClassId {class_id!r}, expected 0 to 45"]
    numbers = [int(attribute) for attribute in attributes]
    if any(number >= FGVC6_NUM_ATTRIBUTES for number in numbers):
        return [f"ClassId {class_id!r}, expected attributes 0 to {FGVC6_NUM_ATTRIBUTES - 1}"]
    if numbers != sorted(set(numbers)):
        return [f"ClassId {class_id!r}, expected each attribute once, in ascending order"]
    return []


def _decode(encoded: str) -> tuple[np.ndarray, str]:
    """Returns bool [512 * 512], down columns, and what is wrong with it."""
    mask = np.zeros(FGVC6_SIDE**2, bool)
    try:
        numbers = [int(number) for number in encoded.split()]
    except ValueError:
        return mask, f"EncodedPixels {encoded[:20]!r} are not numbers"
    if not numbers or len(numbers) % 2:
        return mask, "EncodedPixels are not pairs of start and length"
    end = 0
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        if start <= end or length < 1:
            return mask, f"run {start} {length} is not after the one before it, or is empty"
        end = start + length - 1
        if end > mask.size:
            return mask, f"run {start} {length} passes the end of a 512 x 512 image"
        mask[start - 1 : end] = True
    return mask, ""


def modanet_faults(path: str | Path, val_json_path: str | Path) -> list[str]:
    """Checks a json: COCO results of the val set's images at their size, each mask with pixels.

    Returns:
        A line for each fault; none where all is well.

    Raises:
        ValueError: val_json_path is another file.
    """
    try:
        content = json.loads(Path(val_json_path).read_text(encoding="utf-8"))
        content.setdefault("annotations", [])  # the official file has none
        ground_truth = coco_metrics.ground_truth_from_content(content)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{val_json_path}: not ModaNet's json ({error!r}).") from None
    try:
        results = coco_results.read_results(path, ground_truth)
    except ValueError as error:
        return [str(error)]
    faults = []
    for index, result in enumerate(results):
        if not 0 <= result["score"] <= 1:
            faults.append(f"entry {index}: score {result['score']}, expected 0 to 1")
        if "segmentation" not in result:
            faults.append(f"entry {index}: has no segmentation")
        elif not coco_mask.area(result["segmentation"]):
            faults.append(f"entry {index}: its mask has no pixel")
    return faults


def main(argv) -> None:
    """Prints the faults; exit code 1 where there are some."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        if bool(FLAGS.fgvc6) == bool(FLAGS.modanet):
            raise ValueError("give one of --fgvc6 and --modanet.")
        if FLAGS.modanet and not FLAGS.val_json:
            raise ValueError("--modanet needs --val_json=modanet2018_instances_val.json.")
        path = FLAGS.fgvc6 or FLAGS.modanet
        faults = (
            fgvc6_faults(path, FLAGS.sample_submission)
            if FLAGS.fgvc6
            else modanet_faults(path, FLAGS.val_json)
        )
        for fault in faults[:_MOST_SHOWN]:
            print(f"{path}: {fault}")
        if faults:
            sys.exit(f"error: {path}: {len(faults)} faults")
        print(f"{path}: follows the rules")


if __name__ == "__main__":
    command_line.run(define_flags, main)
