"""What has been predicted so far, a line a photo: a run that was stopped goes on from it.

`photos.jsonl` starts with a line of settings; each further one is a photo with all that was found,
or with its error. A photo's line is written when all its pictures are. Memory does not grow with
the detections: they are read back one photo at a time.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tfseg.prediction.photo_files import PhotoFile
from tfseg.structures.detections import Detections, detections_from_coco_results

JOURNAL_FILE = "photos.jsonl"
PICTURE_FOLDERS = ("overlays", "cutouts")


def remove_earlier_run(output_dir: Path) -> None:
    """Empties the journal of an earlier run and removes its pictures, where there is one.

    Under other thresholds it may have cut out what is not found any more.
    """
    path = output_dir / JOURNAL_FILE
    if not path.is_file():
        return
    with path.open("rb") as file:
        if not file.readline(20).startswith(b'{"settings"'):
            return
    path.write_bytes(b"")  # first: what a kill leaves must not look done
    for folder in PICTURE_FOLDERS:
        shutil.rmtree(output_dir / folder, ignore_errors=True)


class PredictionJournal:
    """The journal of one output folder; use as a context manager.

    Attributes:
        errors: Why each photo failed that did, by PhotoFile.name.
    """

    def __init__(self, output_dir: Path, settings: dict, overwrite: bool = False):
        """Opens the journal, or begins one.

        Args:
            output_dir: Gets the journal; made where it is missing.
            settings: What the outputs depend on; json.
            overwrite: Begin anew.

        Raises:
            ValueError: What is there was made with other settings, or is no journal.
        """
        self._path = output_dir / JOURNAL_FILE
        self._settings = json.loads(json.dumps(settings))
        self._done: dict[str, tuple[int, int]] = {}  # name -> where its line starts, photo's bytes
        self.errors: dict[str, str] = {}
        output_dir.mkdir(parents=True, exist_ok=True)
        if overwrite or not self._path.is_file() or not self._path.stat().st_size:
            self._path.write_text(json.dumps({"settings": self._settings}) + "\n", "utf-8")
        else:
            self._read_back()

    def __enter__(self) -> "PredictionJournal":
        self._file = self._path.open("r+b")
        self._file.seek(0, os.SEEK_END)
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _read_back(self) -> None:
        end = 0
        with self._path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    entry = None
                if end == 0:
                    self._check_settings(entry)
                elif entry is None or not line.endswith(b"\n"):
                    break  # half a line, of a run that was killed
                else:
                    self._remember(entry, end)
                end += len(line)
        with self._path.open("r+b") as file:
            file.truncate(end)

    def _check_settings(self, entry) -> None:
        if not isinstance(entry, dict) or "settings" not in entry:
            raise ValueError(f"{self._path}: not a journal of tfseg.predict; remove it.")
        differ = [
            f"{key} was {entry['settings'].get(key)!r}, is {value!r}"
            for key, value in self._settings.items()
            if entry["settings"].get(key) != value
        ]
        if differ:
            raise ValueError(
                f"{self._path}: was made with other settings ({'; '.join(differ)}); give another "
                "--output_dir, or --overwrite."
            )

    def _remember(self, entry: dict, start: int) -> None:
        if "error" in entry:
            self.errors[entry["name"]] = entry["error"]
            self._done.pop(entry["name"], None)
            return
        self.errors.pop(entry["name"], None)
        self._done[entry["name"]] = (start, entry["num_bytes"])

    def missing(self, photos: Iterable[PhotoFile]) -> list[PhotoFile]:
        """Returns the photos that are not done, have failed, or have changed their size since."""
        return [photo for photo in photos if not self._is_done(photo)]

    def _is_done(self, photo: PhotoFile) -> bool:
        if photo.name not in self._done:
            return False
        try:
            return photo.path.stat().st_size == self._done[photo.name][1]
        except OSError:
            return False

    def add(self, photo: PhotoFile, num_bytes: int, detections: Detections) -> None:
        """Appends a photo that is done."""
        results = detections.to_coco_results(0, with_attribute_scores=True)
        self._append(
            {
                "name": photo.name,
                "num_bytes": num_bytes,
                "size_hw": list(detections.image_size_hw),
                "results": [{k: v for k, v in r.items() if k != "image_id"} for r in results],
            }
        )

    def add_error(self, photo: PhotoFile, reason: str) -> None:
        """Appends a photo that failed; a later run tries it again."""
        self._append({"name": photo.name, "error": reason})

    def _append(self, entry: dict) -> None:
        start = self._file.tell()
        self._file.write(json.dumps(entry).encode("utf-8") + b"\n")
        self._file.flush()
        self._remember(entry, start)

    def read(self, photos: Iterable[PhotoFile]) -> Iterator[tuple[PhotoFile, Detections]]:
        """Reads back the photos that are done, in the order given."""
        with self._path.open("rb") as file:
            for photo in photos:
                if photo.name in self._done and photo.name not in self.errors:
                    file.seek(self._done[photo.name][0])
                    entry = json.loads(file.readline())
                    yield photo, _detections(entry)


def _detections(entry: dict) -> Detections:
    if not entry["results"]:
        none = np.zeros(0, np.int32)
        return Detections(
            np.zeros((0, 4), np.float32), none.astype(np.float32), none, (), (),
            tuple(entry["size_hw"]),
        )  # fmt: skip
    return detections_from_coco_results(entry["results"], entry["size_hw"])
