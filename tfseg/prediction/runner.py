"""Runs a model over photos: reading, the network and drawing at the same time, memory flat."""

import dataclasses
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import tqdm

from tfseg.io.photo_files import read_photo_bytes
from tfseg.prediction.photo_files import PhotoFile, output_names
from tfseg.structures.detection_files import PICTURE_KINDS, PhotoPictures
from tfseg.structures.detections import Detections, detections_from_outputs
from tfseg.structures.image_decoding import decode_photo, readable_by_the_model
from tfseg.structures.mask_geometry import remove_overlaps
from tfseg.structures.thresholds import Thresholds

# While one draws or decodes, others keep the network busy.
_NUM_WORKERS = 3


@dataclasses.dataclass(frozen=True)
class PictureChoices:
    """Which pictures are written.

    Attributes:
        kinds: Of detection_files.PICTURE_KINDS, each in a folder of its name.
        overlay_max_side: Longest side of an overlay, pixels; larger photos are drawn smaller.
    """

    kinds: tuple[str, ...]
    overlay_max_side: int

    def to_json(self) -> dict:
        """Returns them as a journal's settings have them."""
        wanted = {name: name in self.kinds for name in PICTURE_KINDS}
        return {**wanted, "overlay_max_side": self.overlay_max_side}


class PhotoJournal(Protocol):
    """Where a run's results go: journal.PredictionJournal, review_journal.ReviewJournal."""

    def missing(self, photos: Iterable[PhotoFile]) -> list[PhotoFile]:
        """Returns the photos that are to be predicted."""
        ...

    def read(self, photos: Iterable[PhotoFile]) -> Iterator[tuple[PhotoFile, Detections]]:
        """Reads back those that have pictures."""
        ...

    def add(self, photo: PhotoFile, num_bytes: int, answer: Any, /) -> None:
        """Appends what PhotoPrediction._finish made of a photo."""
        ...

    def add_error(self, photo: PhotoFile, reason: str) -> None:
        """Appends a photo that failed."""
        ...


class PhotoPrediction:
    """One run over photos into one output folder."""

    def __init__(
        self,
        detect: Callable[[Sequence[bytes]], dict[str, np.ndarray]],
        thresholds: Thresholds,
        overlap_order: str | None,
        choices: PictureChoices,
        output_dir: Path,
        attribute_names: Sequence[str] = (),
    ):
        """Prepares a run.

        Args:
            detect: detector.Detector.detect.
            thresholds: Which detections are kept, and which attributes they are said to have.
            overlap_order: mask_geometry.remove_overlaps' order; None leaves overlaps.
            choices: Which pictures are written.
            output_dir: Where.
            attribute_names: In the order of the model's attribute scores; () leaves what is said to
                the model.
        """
        self._detect = detect
        self._thresholds = thresholds
        self._overlap_order = overlap_order
        self._choices = choices
        self._output_dir = output_dir
        self._attribute_names = attribute_names

    def run(self, photos: list[PhotoFile], journal: PhotoJournal, batch_size: int) -> None:
        """Predicts the photos that the journal does not have; a bad one is named and skipped.

        Args:
            photos: All of the run.
            journal: Open; gets each photo's detections or error.
            batch_size: Photos a call of the model.
        """
        missing = journal.missing(photos)
        names = output_names(photos)
        for photo, detections in journal.read(missing):  # it has changed since
            for path in self._pictures(names[photo.name]).paths(detections):
                path.unlink(missing_ok=True)
        progress = tqdm.tqdm(
            total=len(photos),
            initial=len(photos) - len(missing),
            unit="photo",
            desc="predict",
            dynamic_ncols=True,
        )
        batches = (missing[i : i + batch_size] for i in range(0, len(missing), batch_size))
        with progress, ThreadPoolExecutor(_NUM_WORKERS) as workers:
            pending: deque[Future] = deque()

            def note_oldest():
                for photo, num_bytes, answer in pending.popleft().result():
                    if isinstance(answer, str):
                        journal.add_error(photo, answer)
                        tqdm.tqdm.write(f"skipped: {photo.path}: {answer}", file=sys.stderr)
                    else:
                        journal.add(photo, num_bytes, answer)
                    progress.update()

            def note_rest():
                if pending:
                    try:
                        note_oldest()
                    finally:
                        note_rest()

            try:
                for batch in batches:
                    pending.append(workers.submit(self._predict_batch, batch, names))
                    if len(pending) > _NUM_WORKERS:  # memory does not grow with the photos
                        note_oldest()
            finally:  # what an interrupt or a failure finds under way is finished and kept
                note_rest()

    def _predict_batch(
        self, photos: list[PhotoFile], names: Mapping[str, str]
    ) -> list[tuple[PhotoFile, int, Any]]:
        """Reads, detects and draws; other batches are under way meanwhile.

        Returns:
            Each photo, its bytes, and what _finish made of it or the reason why there is nothing.
        """
        answers: dict[str, tuple[int, Any]] = {}
        readable = []
        for photo in photos:
            try:
                encoded = read_photo_bytes(photo.path)
                readable.append((photo, len(encoded), readable_by_the_model(encoded)))
            except OSError as error:
                answers[photo.name] = 0, error.strerror or str(error)
            except ValueError as error:
                answers[photo.name] = len(encoded), str(error)
        outputs = self._detect([encoded for _, _, encoded in readable]) if readable else {}
        for index, (photo, num_bytes, encoded) in enumerate(readable):
            if outputs["ok"][index]:
                detections = detections_from_outputs(outputs, index)
                answer = self._finish(photo, detections, encoded, names[photo.name])
            else:
                answer = outputs["error"][index].decode()
            answers[photo.name] = num_bytes, answer
        return [(photo, *answers[photo.name]) for photo in photos]

    def _finish(self, photo: PhotoFile, detections: Detections, encoded: bytes, name: str) -> Any:
        """Cuts the detections and writes the photo's pictures.

        The detections are kept where the pictures cannot be made.
        """
        detections = self._thresholds.apply(detections)
        if self._attribute_names:
            detections = self._thresholds.say_attributes(detections, self._attribute_names)
        if self._overlap_order:
            detections = remove_overlaps(detections, self._overlap_order)
        pictures = self._pictures(name)
        if pictures.paths(detections):
            try:
                pictures.write(decode_photo(encoded), detections)
            except ValueError as error:
                tqdm.tqdm.write(f"not drawn: {photo.name}: {error}", file=sys.stderr)
        return detections

    def _pictures(self, name: str) -> PhotoPictures:
        stems = {kind: self._output_dir / kind / name for kind in self._choices.kinds}
        return PhotoPictures(stems, self._choices.overlay_max_side)
