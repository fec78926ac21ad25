"""One run of the client's command line: photos in; overlays, cutouts and detections.json out."""

import collections
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import tqdm

from serving.client.connection import (
    DeadlineExceededError,
    ImageError,
    RequestRefusedError,
    ServerBusyError,
    ServingError,
)
from serving.client.photo_sources import Photo, overlay_paths, read_photo
from tfseg.structures.detection_files import (
    OVERLAYS,
    PICTURE_KINDS,
    PhotoPictures,
    write_results,
)
from tfseg.structures.detections import Detections
from tfseg.structures.image_decoding import decode_photo, readable_by_the_model

JSON = "json"  # detections.json
DEFAULT_KINDS = (*(kind.name for kind in PICTURE_KINDS.values() if kind.is_default), JSON)
KINDS = (*DEFAULT_KINDS, *(name for name in PICTURE_KINDS if name not in DEFAULT_KINDS))

DetectFn = Callable[[Sequence[bytes]], list[Detections | ImageError]]
_Job = tuple[int, Photo, Path]  # image id, the photo, where its overlay goes
_Answer = Detections | ServingError


class PhotoRun:
    """Collects what was found and reports what went wrong, photo by photo, in their order.

    Attributes:
        results: COCO results so far, each also with file_name and category_name; image_id is the
            photo's index in the order given.
        num_errors: Photos that failed; each has its line on stderr.
    """

    def __init__(self, detect: DetectFn, output_dir: Path, kinds: Sequence[str] = DEFAULT_KINDS):
        """Prepares a run.

        Args:
            detect: Such as SegmentationClient.detect; called from several threads.
            output_dir: Where to write; made where it is missing.
            kinds: Which of KINDS to write.

        Raises:
            ValueError: Another kind.
        """
        if not set(kinds) <= set(KINDS):
            raise ValueError(f"--write={','.join(kinds)}: expected some of {','.join(KINDS)}.")
        self._detect = detect
        self._output_dir = output_dir
        self._kinds = frozenset(kinds)
        self.results: list[dict] = []
        self.num_errors = 0

    def detect_and_write(
        self, photos: Sequence[Photo], batch_size: int, num_parallel: int = 1
    ) -> None:
        """Sends all photos; one that fails is reported and the others are still done.

        Args:
            photos: Files and URLs.
            batch_size: Photos per request.
            num_parallel: Requests under way at once.

        Raises:
            ServingError: The server is gone or does not have the model: no photo after this one
                can work. detections.json then has those before it.
        """
        self._output_dir.mkdir(parents=True, exist_ok=True)
        overlays = overlay_paths(photos, self._output_dir)
        jobs = list(zip(range(len(photos)), photos, overlays, strict=True))
        batches = [jobs[start : start + batch_size] for start in range(0, len(jobs), batch_size)]
        try:
            with tqdm.tqdm(total=len(jobs), unit="photo", disable=None) as progress:
                for batch, images, answers in self._in_order(batches, num_parallel):
                    for job, encoded, answer in zip(batch, images, answers, strict=True):
                        self._finish(job, encoded, answer)
                    progress.update(len(batch))
        finally:
            if JSON in self._kinds:
                write_results(self._output_dir / "detections.json", self.results)

    def _in_order(
        self, batches: list[list[_Job]], num_parallel: int
    ) -> Iterator[tuple[list[_Job], list[bytes | None], list[_Answer]]]:
        """Runs batches in parallel; yields each with its answers, in order."""
        with ThreadPoolExecutor(num_parallel) as pool:
            under_way: collections.deque[tuple[list[_Job], Future]] = collections.deque()
            try:
                for batch in batches:
                    under_way.append((batch, pool.submit(self._run_batch, batch)))
                    if len(under_way) > num_parallel:  # bounded: photos are held in memory
                        done, future = under_way.popleft()
                        yield done, *future.result()
                while under_way:
                    done, future = under_way.popleft()
                    yield done, *future.result()
            finally:
                for _, future in under_way:
                    future.cancel()

    def _run_batch(self, jobs: list[_Job]) -> tuple[list[bytes | None], list[_Answer]]:
        """Returns the photos' bytes, None where unreadable, and an answer or an error for each."""
        images: list[bytes | None] = []
        answers: list[ServingError | None] = []
        for _, photo, _ in jobs:
            try:
                images.append(readable_by_the_model(read_photo(photo)))
                answers.append(None)
            except OSError as error:
                images.append(None)
                answers.append(ServingError(error.strerror or str(error)))
            except ValueError as error:
                images.append(None)
                answers.append(ServingError(str(error)))
        try:
            found = iter(self._detect([encoded for encoded in images if encoded is not None]))
        except (DeadlineExceededError, RequestRefusedError, ServerBusyError) as error:
            return images, [answer or error for answer in answers]
        return images, [answer or next(found) for answer in answers]

    def _finish(self, job: _Job, encoded: bytes | None, answer: _Answer) -> None:
        image_id, photo, overlay = job
        if isinstance(answer, ServingError):
            self._report(photo, str(answer))
            return
        self.results.extend(
            {"image_id": image_id, "file_name": photo.name, **result}
            for result in answer.to_coco_results(image_id)
        )
        written = []
        try:
            if self._kinds - {JSON}:
                assert encoded is not None, "only a photo that was read is answered"
                written = self._write_pictures(encoded, answer, overlay)
        except ValueError as error:
            self._report(photo, f"{error} It is not drawn; detections.json has what was found.")
            return
        where = f", written to {', '.join(map(str, written))}" if written else ""
        tqdm.tqdm.write(f"{photo}: {len(answer)} found{where}", file=sys.stdout)

    def _write_pictures(self, encoded: bytes, detections: Detections, overlay: Path) -> list[Path]:
        """Writes the pictures asked for; returns the overlay and the folders of others."""
        stems = {}
        for kind in PICTURE_KINDS:
            if kind in self._kinds:
                # The overlay, one a photo, lies in the output folder itself.
                folder = self._output_dir if kind == OVERLAYS.name else self._output_dir / kind
                stems[kind] = folder / overlay.stem
        written = PhotoPictures(stems).write(decode_photo(encoded), detections)
        own_dir = self._output_dir
        return list(dict.fromkeys(p if p.parent == own_dir else p.parent for p in written))

    def _report(self, photo: Photo, reason: str) -> None:
        self.num_errors += 1
        tqdm.tqdm.write(f"error: {photo}: {reason}", file=sys.stderr)
