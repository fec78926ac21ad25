"""One run of the client's command line: photos in, overlays and detections.json out."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2

from serving.connection import (
    DeadlineExceededError,
    ImageError,
    RequestRefusedError,
    ServingError,
)
from serving.photos import overlay_paths
from tfseg.detections import Detections
from tfseg.photo_pixels import decode_photo
from tfseg.visualize import draw_detections

_JPEG_QUALITY = 92

DetectFn = Callable[[Sequence[bytes]], list[Detections | ImageError]]


class PhotoRun:
    """Collects what was found and reports what went wrong, photo by photo.

    Attributes:
        results: COCO results so far, each also with file_name and category_name; image_id is the
            photo's index in the order given.
        num_errors: Photos that failed; each has its line on stderr.
    """

    def __init__(self, detect: DetectFn, output_dir: Path, score_threshold: float):
        """Prepares a run; detect is SegmentationClient.detect."""
        self._detect = detect
        self._output_dir = output_dir
        self._score_threshold = score_threshold
        self.results: list[dict] = []
        self.num_errors = 0

    def detect_and_write(self, photos: Sequence[Path], batch_size: int) -> None:
        """Sends all photos; one that fails is reported and the others are still done.

        Raises:
            ServingError: The server is gone or does not have the model: no photo after this one
                can work. detections.json then has those before it.
        """
        self._output_dir.mkdir(parents=True, exist_ok=True)
        overlays = overlay_paths(photos, self._output_dir)
        jobs = list(zip(range(len(photos)), photos, overlays, strict=True))
        try:
            for start in range(0, len(jobs), batch_size):
                self._run_batch(jobs[start : start + batch_size])
        finally:
            path = self._output_dir / "detections.json"
            lines = ",\n".join(json.dumps(result) for result in self.results)
            _write_whole(path, f"[\n{lines}\n]\n".encode())

    def _run_batch(self, jobs: list[tuple[int, Path, Path]]) -> None:
        readable, images = [], []
        for job in jobs:
            try:
                images.append(job[1].read_bytes())
                readable.append(job)
            except OSError as error:
                self._report(job[1], error.strerror or str(error))
        try:
            answers = self._detect(images)
        except (DeadlineExceededError, RequestRefusedError) as error:
            for _, photo, _ in readable:
                self._report(photo, str(error))
            return
        for job, encoded, answer in zip(readable, images, answers, strict=True):
            if isinstance(answer, ServingError):
                self._report(job[1], str(answer))
            else:
                self._write(*job, encoded, answer.keep(self._score_threshold))

    def _write(
        self, image_id: int, photo: Path, overlay: Path, encoded: bytes, detections: Detections
    ) -> None:
        """Adds the detections to the results and draws them over the photo."""
        found = detections.to_coco_results(image_id)
        self.results.extend(
            {"image_id": image_id, "file_name": photo.name, **result} for result in found
        )
        try:
            drawn = draw_detections(decode_photo(encoded), detections)
        except ValueError as error:
            self._report(photo, f"{error} It is not drawn; detections.json has what was found.")
            return
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR), options)
        _write_whole(overlay, jpeg.tobytes())
        print(f"{photo}: {len(found)} found, drawn in {overlay}", flush=True)

    def _report(self, photo: Path, reason: str) -> None:
        self.num_errors += 1
        print(f"error: {photo}: {reason}", file=sys.stderr)


def _write_whole(path: Path, content: bytes) -> None:
    """Writes beside the path and renames, so that a half-written file is never seen."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_bytes(content)
    partial.replace(path)
