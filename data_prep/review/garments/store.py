"""The decisions of a review folder (readers.review_folder), written one by one.

A decision is a line of decisions.jsonl, and on the disk when decide() comes back. Where the disk
takes but a part of a line, that part is removed again.
"""

import json
import os
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

from data_prep.annotations import masks
from data_prep.readers.review_folder import (
    ACCEPTED,
    DECISIONS_NAME,
    ReviewedPhoto,
    as_decided,
    decision_counts,
    is_corrected,
    is_edit,
    read_review,
)
from tfseg.io.atomic_files import flush_to_disk, write_errors


class StaleEdit(ValueError):
    """Someone else has changed the photo, or decided, since the page asked."""


class GarmentStore:
    """A review folder that decisions are added to; use as a context manager.

    One process at a time: its folder is locked (folder_lock).

    Args:
        review_dir: Of tfseg.predict --review_dir.

    Attributes:
        folder: What is known by now.
        exports_all: Whether coco() has photos too that nobody has accepted, as another tool that is
            to review them wants it.

    Raises:
        ValueError: The folder is none, or damaged other than by a kill.
    """

    def __init__(self, review_dir: Path):
        self.review_dir = review_dir
        self.folder = read_review(review_dir)
        self.exports_all = False
        self._path = review_dir / DECISIONS_NAME
        with write_errors(self._path, "the decisions"):
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
            self._end = self.folder.num_decision_bytes
            os.ftruncate(self._file, self._end)  # what a kill within a write left
            flush_to_disk(review_dir)  # a power cut may not take the new file's name

    def __enter__(self) -> "GarmentStore":
        return self

    def __exit__(self, *_) -> None:
        os.close(self._file)

    @property
    def photos(self) -> dict[str, ReviewedPhoto]:
        """All photos by file name."""
        return self.folder.photos

    def photos_dir(self) -> Path:
        """Where the photos lie.

        Raises:
            ValueError: They are not there.
        """
        photos_dir = self.folder.photos_dir
        if not photos_dir.is_dir():
            raise ValueError(
                f"{self.review_dir}: the photos are not at {photos_dir}; give --photos_dir."
            )
        return photos_dir

    def usable(self) -> list[ReviewedPhoto]:
        """The photos that could be predicted, by name."""
        return [self.photos[name] for name in sorted(self.photos) if not self.photos[name].error]

    def counts(self) -> Counter:
        """review_folder.decision_counts of now."""
        return decision_counts(self.folder)

    def decide(self, changed: ReviewedPhoto, action: str) -> ReviewedPhoto:
        """Writes a decision.

        Args:
            changed: The photo with the change; its revision is the one that was changed.
            action: As decisions.jsonl has it.

        Returns:
            The photo by now, of the next revision.

        Raises:
            StaleEdit: The photo has another revision by now.
            WriteError: The disk is full, ...; nothing has changed then.
        """
        before = self.photos[changed.file_name]
        if changed.revision != before.revision:
            raise StaleEdit(
                f"{changed.file_name}: has been changed elsewhere (revision {before.revision}, "
                f"this page had {changed.revision}); here it is as it is now."
            )
        is_edited = before.is_edited or is_edit(action)
        decided = replace(
            changed, revision=before.revision + 1, is_touched=True, is_edited=is_edited
        )
        self._write(decided, action)
        self.folder.history.append(before)
        return decided

    def undo(self, num_decisions: int) -> ReviewedPhoto | None:
        """Takes the last decision back, whichever photo's.

        Args:
            num_decisions: As many as the page knew of (folder.history's length).

        Returns:
            The photo as it was before; None where nothing is left to undo.

        Raises:
            StaleEdit: Someone has decided or undone since.
            WriteError: As decide.
        """
        history = self.folder.history
        if num_decisions != len(history):
            last = f"; the last one is on {history[-1].file_name}" if history else ""
            raise StaleEdit(f"decisions have been made elsewhere{last}; undo again for that.")
        if not history:
            return None
        before = history[-1]
        now = self.photos[before.file_name]
        restored = replace(before, revision=now.revision + 1)
        self._write(restored, "undo")
        history.pop()
        return self.photos[before.file_name]

    def exported(self) -> list[ReviewedPhoto]:
        """The photos that coco() has: accepted ones, or all that can be read."""
        return [p for p in self.usable() if self.exports_all or p.review == ACCEPTED]

    def coco(self) -> dict:
        """The exported photos' garments as a COCO json."""
        return coco_of(
            self.exported(),
            self.folder.category_names,
            {n for n, p in self.photos.items() if is_corrected(p, self.folder.predicted.get(n))},
        )

    def _write(self, photo: ReviewedPhoto, action: str) -> None:
        record = {
            "file_name": photo.file_name,
            "revision": photo.revision,
            "action": action,
            "time": round(time.time(), 3),
            "review": photo.review,
            "is_touched": photo.is_touched,
            "height": photo.height,
            "width": photo.width,
            "instances": [asdict(instance) for instance in photo.instances],
        }
        line = json.dumps(record).encode("utf-8") + b"\n"
        with write_errors(self._path, "the decision"):
            try:
                written = 0
                while written < len(line):
                    written += os.pwrite(self._file, line[written:], self._end + written)
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, self._end)
                raise
        self._end += len(line)
        predicted = self.folder.predicted.get(photo.file_name)
        self.photos[photo.file_name] = as_decided(photo, predicted) if predicted else photo


def coco_of(
    photos: list[ReviewedPhoto], category_names: tuple[str, ...], corrected: set[str]
) -> dict:
    """Photos as a COCO json.

    Args:
        photos: Get the image ids 1, 2, ... in this order.
        category_names: Get the ids 1, 2, ... in this order.
        corrected: File names whose garments people changed, for the image's "is_corrected".
    """
    ids = {name: number for number, name in enumerate(category_names, start=1)}
    images: list[dict] = []
    annotations: list[dict] = []
    for image_id, photo in enumerate(photos, start=1):
        images.append(
            {
                "id": image_id,
                "file_name": photo.file_name,
                "height": photo.height,
                "width": photo.width,
                "review": photo.review,
                "is_corrected": photo.file_name in corrected,
            }
        )
        for instance, rle in zip(photo.instances, photo.rles(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": ids[instance.category],
                    **masks.coco_fields(rle),
                    "review": photo.review,
                }
            )
    categories = [{"id": number, "name": name} for name, number in ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}
