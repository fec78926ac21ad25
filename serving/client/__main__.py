"""Sends photos to a server and writes what it found.

    python -m serving.client --server=localhost:8500 --model_name=fashion --output_dir=OUT photo.jpg

Photos are files, folders, or URLs of this machine. Writes OUT/<photo>.jpg (masks, boxes, names,
scores drawn), OUT/detections.json (COCO results in the photos' own pixels) and, with
--write=overlays,json,cutouts, each garment alone in OUT/cutouts. Works with serving.server and with
TensorFlow Serving; imports no TensorFlow (serving/requirements-client.txt is all it needs).
"""

import functools
import importlib.util
import sys
from pathlib import Path

from absl import flags

from serving.client.connection import ServingError
from serving.client.flags import client_arguments, define_server_flags
from serving.client.photo_sources import find_photos
from serving.client.runner import DEFAULT_KINDS, JSON, KINDS, PhotoRun
from serving.client.segmentation_client import SegmentationClient
from tfseg.io import command_line

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Not at import: a program with flags of its own must be able to import SegmentationClient."""
    define_server_flags()
    command_line.define_path("output_dir", None, "Folder for what is written.", required=True)
    flags.DEFINE_list(
        "write",
        None,
        f"What to write, of {','.join(KINDS)}; {','.join(DEFAULT_KINDS)} by default, {JSON} alone "
        "without OpenCV.",
    )
    flags.DEFINE_float(
        "score_threshold",
        None,
        "Leave out detections below it, in place of the thresholds built into the model.",
        0.0,
        1.0,
    )
    flags.DEFINE_integer("batch_size", 1, "Photos per request.", 1)
    flags.DEFINE_integer("num_parallel", 4, "Requests under way at once.", 1)


def _kinds_to_write() -> list[str]:
    """Which of KINDS to write; ValueError where pictures are asked for and OpenCV is missing."""
    has_opencv = importlib.util.find_spec("cv2") is not None
    advice = "pip install 'tfseg[pictures]' brings it"
    if FLAGS.write is None:
        if not has_opencv:
            print(f"{JSON} only: pictures need OpenCV; {advice}.", file=sys.stderr)
        return list(DEFAULT_KINDS) if has_opencv else [JSON]
    if not has_opencv and set(FLAGS.write) - {JSON}:
        raise ValueError(f"--write={','.join(FLAGS.write)}: pictures need OpenCV; {advice}.")
    return FLAGS.write


def main(argv: list[str]) -> None:
    """Sends the photos named on the command line; exit code 1 where one of them failed."""
    if len(argv) < 2:
        sys.exit("error: no photos; give files, folders or URLs after the flags.")
    with command_line.one_line_errors(also=(ServingError,)):
        kinds = _kinds_to_write()
        photos = find_photos(argv[1:])
        with SegmentationClient(**client_arguments()) as client:
            detect = functools.partial(client.detect, score_threshold=FLAGS.score_threshold)
            run = PhotoRun(detect, Path(FLAGS.output_dir), kinds)
            run.detect_and_write(photos, FLAGS.batch_size, FLAGS.num_parallel)
    if run.num_errors:
        sys.exit(1)


if __name__ == "__main__":
    command_line.run(define_flags, main)
