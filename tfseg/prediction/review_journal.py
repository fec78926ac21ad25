"""The predictions of a review folder (structures.review_predictions), written photo by photo."""

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tfseg.io.atomic_files import write_errors
from tfseg.prediction.photo_files import PhotoFile
from tfseg.structures.detections import Detections
from tfseg.structures.review_predictions import (
    PREDICTIONS_NAME,
    ReviewSettings,
    load_settings,
    whole_lines,
)


@dataclass(frozen=True)
class PhotoForReview:
    """What a reviewer is given of one photo.

    Attributes:
        detections: All above the low threshold, each with a pixel at least.
        dhash: Of the photo, 16 hex digits.
        flip_disagreement: 0..1; None where the mirrored photo was not looked at.
        model_disagreement: 0..1; None where no other model looked at it.
    """

    detections: Detections
    dhash: str
    flip_disagreement: float | None
    model_disagreement: float | None = None


class ReviewJournal:
    """The journal of one review folder; use as a context manager.

    Attributes:
        errors: Why each photo failed that did, by PhotoFile.name.
    """

    def __init__(self, review_dir: Path, settings: ReviewSettings, overwrite: bool = False):
        """Opens the folder, or begins one.

        Args:
            review_dir: Made where it is missing.
            settings: Of this run.
            overwrite: Predict all anew; people's decisions stay.

        Raises:
            ValueError: What is there was made with other settings, or is damaged.
        """
        self._path = review_dir / PREDICTIONS_NAME
        self._num_bytes: dict[str, int] = {}
        self.errors: dict[str, str] = {}
        review_dir.mkdir(parents=True, exist_ok=True)
        if overwrite:
            self._path.unlink(missing_ok=True)  # first: what a kill leaves must not look done
        elif (known := load_settings(review_dir)) is not None:
            _refuse_others(review_dir, known, settings)
        if self._path.is_file():
            self._read_back()
        settings.save(review_dir)

    def __enter__(self) -> "ReviewJournal":
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def _read_back(self) -> None:
        end = 0
        for entry, end in whole_lines(self._path):  # noqa: B007 where the last one ends
            self._remember(entry)
        os.truncate(self._path, end)

    def _remember(self, entry: dict) -> None:
        name = entry["file_name"]
        if "error" in entry:
            self.errors[name] = entry["error"]
            self._num_bytes.pop(name, None)
        else:
            self.errors.pop(name, None)
            self._num_bytes[name] = entry["num_bytes"]

    def missing(self, photos: Iterable[PhotoFile]) -> list[PhotoFile]:
        """Returns the photos that are not done, have failed, or have changed their size since."""
        return [photo for photo in photos if not self._is_done(photo)]

    def _is_done(self, photo: PhotoFile) -> bool:
        try:
            return self._num_bytes.get(photo.name) == photo.path.stat().st_size
        except OSError:
            return False

    def read(self, photos: Iterable[PhotoFile]) -> Iterator[tuple[PhotoFile, Detections]]:
        """Returns nothing: a review folder has no pictures of earlier detections to remove."""
        return iter(())

    def add(self, photo: PhotoFile, num_bytes: int, answer: PhotoForReview) -> None:
        """Appends a photo that is done."""
        found = answer.detections
        height, width = found.image_size_hw
        self._append(
            {
                "file_name": photo.name,
                "num_bytes": num_bytes,
                "height": height,
                "width": width,
                "dhash": answer.dhash,
                "flip_disagreement": answer.flip_disagreement,
                "model_disagreement": answer.model_disagreement,
                "instances": [
                    {"category": name, "score": round(float(score), 4), "counts": rle["counts"]}
                    for name, score, rle in zip(
                        found.category_names, found.scores, found.rles, strict=True
                    )
                ],
            }
        )

    def add_error(self, photo: PhotoFile, reason: str) -> None:
        """Appends a photo that failed; a later run tries it again."""
        self._append({"file_name": photo.name, "error": reason})

    def _append(self, entry: dict) -> None:
        with write_errors(self._path, "the predictions"):
            self._file.write(json.dumps(entry).encode("utf-8") + b"\n")
            self._file.flush()
        self._remember(entry)


def _refuse_others(review_dir: Path, known: ReviewSettings, wanted: ReviewSettings) -> None:
    before, now = json.loads(json.dumps([asdict(known), asdict(wanted)]))
    differ = [
        f"{key} was {before[key]!r}, is {now[key]!r}" for key in now if before[key] != now[key]
    ]
    if differ:
        raise ValueError(
            f"{review_dir}: was made with other settings ({'; '.join(differ)}); give another "
            "--review_dir, or --overwrite, which keeps the decisions and predicts the rest anew."
        )
