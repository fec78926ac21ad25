"""Runs a model over photos: reading, the network and drawing at the same time, memory flat."""

import dataclasses
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import tqdm

from tfseg.cutouts import cut_out, cutout_names
from tfseg.detections import Detections, detections_from_outputs
from tfseg.mask_geometry import remove_overlaps, resize_detections
from tfseg.photo_files import PhotoFile, output_names
from tfseg.photo_pixels import decode_photo
from tfseg.prediction_journal import PredictionJournal
from tfseg.thresholds import Thresholds
from tfseg.visualize import draw_detections

_JPEG_QUALITY = 90
_PNG_COMPRESSION = 4


@dataclasses.dataclass(frozen=True)
class PictureChoices:
    """Which pictures are written.

    Attributes:
        overlays: A photo with everything drawn on it, in overlays/.
        cutouts: Each garment alone, in cutouts/.
        overlay_max_side: Longest side of an overlay, pixels; larger photos are drawn smaller.
    """

    overlays: bool
    cutouts: bool
    overlay_max_side: int


class PhotoPrediction:
    """One run over photos into one output folder."""

    def __init__(
        self,
        detect: Callable[[Sequence[bytes]], dict[str, np.ndarray]],
        thresholds: Thresholds,
        overlap_order: str | None,
        choices: PictureChoices,
        output_dir: Path,
    ):
        """Prepares a run.

        Args:
            detect: detector.Detector.detect.
            thresholds: Which detections are kept.
            overlap_order: mask_geometry.remove_overlaps' order; None leaves overlaps.
            choices: Which pictures are written.
            output_dir: Where.
        """
        self._detect = detect
        self._thresholds = thresholds
        self._overlap_order = overlap_order
        self._choices = choices
        self._output_dir = output_dir

    def run(self, photos: list[PhotoFile], journal: PredictionJournal, batch_size: int) -> None:
        """Predicts the photos that the journal does not have; a bad one is named and skipped.

        Args:
            photos: All of the run.
            journal: Open; gets each photo's detections or error.
            batch_size: Photos a call of the model.
        """
        missing = journal.missing(photos)
        names = output_names(photos)
        progress = tqdm.tqdm(
            total=len(photos),
            initial=len(photos) - len(missing),
            unit="photo",
            desc="predict",
            dynamic_ncols=True,
        )
        # Each queue holds two batches at the most: memory does not grow with the photos.
        with progress, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(2) as drawer:
            pending: deque[tuple[PhotoFile, int, Future]] = deque()
            try:
                for batch in _read_ahead(missing, batch_size, reader):
                    for photo, encoded, answer in self._answers(batch):
                        if isinstance(answer, str):
                            work = drawer.submit(_fail, answer)
                        else:
                            name = names[photo.name]
                            work = drawer.submit(self._finish, photo, answer, encoded, name)
                        pending.append((photo, len(encoded), work))
                    while len(pending) > batch_size:
                        self._note(journal, *pending.popleft())
                        progress.update()
            finally:  # what an interrupt finds done is kept
                while pending:
                    self._note(journal, *pending.popleft())
                    progress.update()

    def _answers(self, batch) -> Iterator[tuple[PhotoFile, bytes, Detections | str]]:
        """Gives each photo of the batch its detections, or the reason why there are none."""
        readable = [encoded for _, encoded in batch if not isinstance(encoded, OSError)]
        outputs = self._detect(readable) if readable else {}
        index = 0
        for photo, encoded in batch:
            if isinstance(encoded, OSError):
                yield photo, b"", encoded.strerror or str(encoded)
                continue
            if outputs["ok"][index]:
                yield photo, encoded, detections_from_outputs(outputs, index)
            else:
                yield photo, encoded, outputs["error"][index].decode()
            index += 1

    def _finish(
        self, photo: PhotoFile, detections: Detections, encoded: bytes, name: str
    ) -> Detections:
        """Cuts the detections and writes the photo's pictures; runs beside the model.

        The detections are kept where the pictures cannot be made.
        """
        detections = self._thresholds.apply(detections)
        if self._overlap_order:
            detections = remove_overlaps(detections, self._overlap_order)
        if self._choices.overlays or (self._choices.cutouts and len(detections)):
            try:
                self._write_pictures(decode_photo(encoded), detections, name)
            except ValueError as error:
                tqdm.tqdm.write(f"not drawn: {photo.name}: {error}", file=sys.stderr)
        return detections

    def _write_pictures(self, image_rgb: np.ndarray, detections: Detections, name: str) -> None:
        if image_rgb.shape[:2] != tuple(detections.image_size_hw):
            raise ValueError(
                f"is {image_rgb.shape[1]}x{image_rgb.shape[0]} here, but the model saw "
                f"{detections.image_size_hw[1]}x{detections.image_size_hw[0]}"
            )
        if self._choices.overlays:
            drawn = draw_detections(*_fitted(image_rgb, detections, self._choices.overlay_max_side))
            options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            self._write(f"overlays/{name}.jpg", drawn, cv2.COLOR_RGB2BGR, options)
        if self._choices.cutouts:
            options = [cv2.IMWRITE_PNG_COMPRESSION, _PNG_COMPRESSION]
            for rle, kind in zip(detections.masks, cutout_names(detections), strict=True):
                cutout = cut_out(image_rgb, rle)
                self._write(f"cutouts/{name}_{kind}.png", cutout, cv2.COLOR_RGBA2BGRA, options)

    def _write(self, name: str, pixels: np.ndarray, conversion: int, options: list[int]) -> None:
        path = self._output_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _, encoded = cv2.imencode(path.suffix, cv2.cvtColor(pixels, conversion), options)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_bytes(encoded.tobytes())
        partial.replace(path)

    @staticmethod
    def _note(journal: PredictionJournal, photo: PhotoFile, num_bytes: int, work: Future) -> None:
        try:
            journal.add(photo, num_bytes, work.result())
        except ValueError as error:
            journal.add_error(photo, str(error))
            tqdm.tqdm.write(f"skipped: {photo.path}: {error}", file=sys.stderr)


def _fail(reason: str) -> None:
    raise ValueError(reason)


def _read_ahead(photos: list[PhotoFile], batch_size: int, reader: ThreadPoolExecutor):
    """Yields lists of (photo, its bytes or the OSError), the next one being read meanwhile."""
    batches = [photos[start : start + batch_size] for start in range(0, len(photos), batch_size)]
    ahead = reader.submit(_read_batch, batches[0]) if batches else None
    for following in [*batches[1:], None]:
        batch = ahead.result() if ahead else []
        ahead = reader.submit(_read_batch, following) if following else None
        yield batch


def _read_batch(photos: list[PhotoFile]) -> list[tuple[PhotoFile, bytes | OSError]]:
    batch = []
    for photo in photos:
        try:
            batch.append((photo, photo.path.read_bytes()))
        except OSError as error:
            batch.append((photo, error))
    return batch


def _fitted(image_rgb: np.ndarray, detections: Detections, max_side: int):
    """Returns a photo and its detections, made smaller where a side is above max_side."""
    height, width = image_rgb.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1:
        return image_rgb, detections
    size_hw = max(1, round(height * scale)), max(1, round(width * scale))
    smaller = cv2.resize(image_rgb, size_hw[::-1], interpolation=cv2.INTER_AREA)
    return smaller, resize_detections(detections, size_hw)
