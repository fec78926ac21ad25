"""Sends photos to a server and writes what it found.

    python -m serving.client --server=localhost:8500 --model_name=fashion --output_dir=OUT photo.jpg

Photos are files, folders, or URLs of this machine. Writes OUT/<photo>.jpg (masks, boxes, names,
scores drawn), OUT/detections.json (COCO results in the photos' own pixels) and, with
--write=overlays,json,cutouts, each garment alone in OUT/cutouts. Works with serving.server and with
TensorFlow Serving; imports no TensorFlow (serving/requirements-client.txt is all it needs).
"""

import functools
import sys
from pathlib import Path

from absl import app, flags

from serving.connection import (
    DeadlineExceededError,
    ImageError,
    ModelNotFoundError,
    RequestRefusedError,
    ServerBusyError,
    ServerUnreachableError,
    ServingError,
    Tls,
)
from serving.photo_run import JSON, KINDS, OVERLAYS, PhotoRun
from serving.photos import find_photos
from serving.segmentation_client import AsyncSegmentationClient, SegmentationClient

__all__ = [
    "AsyncSegmentationClient",
    "DeadlineExceededError",
    "ImageError",
    "ModelNotFoundError",
    "RequestRefusedError",
    "SegmentationClient",
    "ServerBusyError",
    "ServerUnreachableError",
    "ServingError",
    "Tls",
]

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Not at import: a program with flags of its own must be able to import SegmentationClient."""
    define_server_flags()
    flags.DEFINE_string("output_dir", None, "Folder for what is written.", required=True)
    flags.DEFINE_list("write", [OVERLAYS, JSON], f"What to write, of {','.join(KINDS)}.")
    flags.DEFINE_float(
        "score_threshold",
        None,
        "Leave out detections below it, in place of the thresholds built into the model.",
        0.0,
        1.0,
    )
    flags.DEFINE_integer("batch_size", 1, "Photos per request.", 1)
    flags.DEFINE_integer("num_parallel", 4, "Requests under way at once.", 1)


def define_server_flags() -> None:
    """The flags of every program that is a client."""
    flags.DEFINE_string("server", "localhost:8500", "host:port of the server.")
    flags.DEFINE_string("model_name", "fashion", "The model's name on the server.")
    flags.DEFINE_integer("model_version", None, "The model's version; the highest by default.", 0)
    flags.DEFINE_string("version_label", None, "Such as stable, in place of a version.")
    flags.DEFINE_float("deadline_s", 60.0, "Seconds a request may take.", 0.001)
    flags.DEFINE_float("connect_timeout_s", 20.0, "Seconds to wait for a server.", 0.0)
    flags.DEFINE_bool("tls", False, "Speak TLS; the three files below imply it.")
    flags.DEFINE_string("tls_ca_path", None, "PEM CA of the server's certificate.")
    flags.DEFINE_string("tls_cert_path", None, "PEM certificate of this client.")
    flags.DEFINE_string("tls_key_path", None, "PEM key of this client's certificate.")


def client_arguments() -> dict:
    """Keyword arguments of SegmentationClient by the flags."""
    paths = [FLAGS.tls_ca_path, FLAGS.tls_cert_path, FLAGS.tls_key_path]
    return {
        "server": FLAGS.server,
        "model_name": FLAGS.model_name,
        "version": FLAGS.model_version,
        "label": FLAGS.version_label,
        "deadline_s": FLAGS.deadline_s,
        "connect_timeout_s": FLAGS.connect_timeout_s,
        "tls": Tls(*(Path(p) if p else None for p in paths)) if FLAGS.tls or any(paths) else None,
    }


def main(argv: list[str]) -> None:
    """Sends the photos named on the command line; exit code 1 where one of them failed."""
    if len(argv) < 2:
        sys.exit("error: no photos; give files, folders or URLs after the flags.")
    try:
        photos = find_photos(argv[1:])
        with SegmentationClient(**client_arguments()) as client:
            detect = functools.partial(client.detect, score_threshold=FLAGS.score_threshold)
            run = PhotoRun(detect, Path(FLAGS.output_dir), FLAGS.write)
            run.detect_and_write(photos, FLAGS.batch_size, FLAGS.num_parallel)
    except (ServingError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if run.num_errors:
        sys.exit(1)


if __name__ == "__main__":
    define_flags()
    app.run(main)
