"""Judges masks against true ones: IoU, boundary F, and whether the confidence is honest.

python -m data_prep.auto_mask.evaluate --dir=MASKS --truth_dir=TRUTH

TRUTH has the photos' folders and names, PNG, anything but 0 is product. Photos whose names start
with a kind and "_", such as white_005.jpg, are also told apart by it.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS
_GOOD_IOU = 0.9
_BOUNDARY_TOLERANCE = 0.003  # of the photo's diagonal, as DAVIS does with 0.008 of video frames


@dataclass(frozen=True)
class Judged:
    """One photo's mask against the truth: iou and boundary_f are 0 to 1."""

    file_name: str
    iou: float
    boundary_f: float
    confidence: float
    is_good: bool

    @property
    def kind(self) -> str:
        """What its name starts with."""
        return Path(self.file_name).name.split("_")[0]


def mask_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks; 1 where both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_f(mask: np.ndarray, truth: np.ndarray) -> float:
    """F-measure of two outlines (Perazzi et al., CVPR 2016, section 5.1).

    A pixel of one outline is found if the other has one within 0.3 % of the diagonal, at least 1.
    """
    reach = max(1, round(_BOUNDARY_TOLERANCE * float(np.hypot(*mask.shape))))
    near = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    outlines = [_outline(one) for one in (mask, truth)]
    if not all(outline.any() for outline in outlines):
        return float(outlines[0].any() == outlines[1].any())
    precision, recall = (
        float((cv2.dilate(other, near)[one > 0] > 0).mean())
        for one, other in (outlines, outlines[::-1])
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def judge(file_name: str, mask: np.ndarray, truth: np.ndarray, confidence: float) -> Judged:
    """Judges one photo's mask (uint8 [height, width] of 0 and 1)."""
    from data_prep.annotations.mask_confidence import GOOD

    return Judged(
        file_name, mask_iou(mask, truth), boundary_f(mask, truth), confidence, confidence >= GOOD
    )


def read_truth(truth_dir: Path, file_name: str) -> np.ndarray:
    """Reads a photo's true mask, uint8 [height, width] of 0 and 1.

    Raises:
        ValueError: There is none, or it is no picture.
    """
    path = (truth_dir / file_name).with_suffix(".png")
    truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if truth is None:
        raise ValueError(f"{path}: no true mask of {file_name} here; expected a PNG, or leave it.")
    return (truth > 0).astype(np.uint8)


def table(judged: Iterable[Judged]) -> str:
    """The figures by kind and over all, as text."""
    by_kind: dict[str, list[Judged]] = {}
    judged = list(judged)
    for one in judged:
        by_kind.setdefault(one.kind, []).append(one)
    rows = [f"{'kind':10} photos  mean IoU  > 0.90  boundary F  called good  of those > 0.90"]
    for name, group in [*sorted(by_kind.items()), ("all", judged)]:
        ious = np.array([one.iou for one in group])
        good = np.array([one.is_good for one in group])
        honest = f"{(ious[good] > _GOOD_IOU).mean():15.1%}" if good.any() else f"{'-':>15}"
        boundary = np.mean([one.boundary_f for one in group])
        rows.append(
            f"{name:10} {len(group):6}  {ious.mean():8.4f}  {(ious > _GOOD_IOU).mean():6.1%}"
            f"  {boundary:10.4f}  {good.mean():11.1%}  {honest}"
        )
    return "\n".join(rows)


def judge_store(masks_dir: Path, truth_dir: Path) -> list[Judged]:
    """Judges the masks that data_prep.auto_mask wrote, worst first.

    Raises:
        ValueError: There are no masks, or a true one is missing or of another size.
    """
    from data_prep.annotations import masks
    from data_prep.auto_mask.store import read_photos, usable

    judged = []
    for photo in usable(read_photos(masks_dir)):
        truth = read_truth(truth_dir, photo.file_name)
        if truth.shape != (photo.height, photo.width):
            raise ValueError(
                f"{photo.file_name}: the true mask is {truth.shape[1]}x{truth.shape[0]}, the "
                f"photo {photo.width}x{photo.height}; expected one size."
            )
        mask = np.zeros_like(truth)
        for rle in photo.rles():
            mask |= masks.mask_from_rle(rle)
        judged.append(judge(photo.file_name, mask, truth, photo.confidence))
    if not judged:
        raise ValueError(f"{masks_dir}: no masks here; run python -m data_prep.auto_mask first.")
    return sorted(judged, key=lambda one: one.iou)


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("dir", None, "Folder that data_prep.auto_mask wrote.", required=True)
    command_line.define_path("truth_dir", None, "Folder of the true masks.", required=True)
    flags.DEFINE_integer("num_worst", 5, "How many of the worst to name.", 0)
    command_line.define_path("metrics_path", None, "Where to write every photo's figures as json.")


def main(argv: list[str]) -> None:
    """Reads the flags and prints the table."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        judged = judge_store(Path(FLAGS.dir), Path(FLAGS.truth_dir))
        print(table(judged))
        for one in judged[: FLAGS.num_worst]:
            print(f"  {one.file_name}: IoU {one.iou:.3f}, confidence {one.confidence:.2f}")
        if FLAGS.metrics_path:
            from tfseg.io.atomic_files import write_whole

            metrics = json.dumps([asdict(one) for one in judged])
            write_whole(FLAGS.metrics_path, metrics, "the metrics")


def _outline(mask: np.ndarray) -> np.ndarray:
    inner = cv2.erode(
        mask, np.ones((3, 3), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    return mask - inner


if __name__ == "__main__":
    command_line.run(define_flags, main)
