"""What a reviewer does to the photos of a review folder; on disk before it is answered."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data_prep.annotations import masks
from data_prep.readers.review_folder import (
    ACCEPTED,
    PENDING,
    PERSON,
    REJECTED,
    ReviewedInstance,
    ReviewedPhoto,
)
from data_prep.review.garments import masks as garment_masks
from data_prep.review.garments.order import ordered
from data_prep.review.garments.store import GarmentStore, StaleEdit
from tfseg.io.photo_files import read_photo_bytes
from tfseg.structures.image_decoding import decode_photo

_SHOWN_SIDE = 1600  # pixels, of the photo as the page gets it
_PAUSE_S = 180.0  # longer between two photos is a pause, and no work
_MOST_GAPS = 40  # decisions that the rate is taken of
_REVIEWS = {"accept": ACCEPTED, "reject": REJECTED, "reopen": PENDING}


class GarmentSession:
    """The review of a GarmentStore; safe to call from several threads.

    Args:
        store: Of the decisions.
        photos_dir: That the file names are relative to.
        more_categories: That people may choose beside the set's.
    """

    def __init__(self, store: GarmentStore, photos_dir: Path, more_categories: Sequence[str] = ()):
        self._store = store
        self._photos_dir = photos_dir
        self._more_categories = tuple(more_categories)
        self._lock = threading.Lock()
        self._decided_at: deque[float] = deque(maxlen=_MOST_GAPS)
        folder = store.folder
        usable = [photo for photo in folder.predicted.values() if not photo.error]
        self._order = ordered(usable, folder.settings.score_thresholds)
        known = {placed.file_name for placed in self._order}
        self._others = sorted({photo.file_name for photo in store.usable()} - known)

    def listed(self) -> dict:
        """All photos in order, a few words each, the categories, and how far the review is."""
        with self._lock:
            names = self._category_names()
            ids = {name: number for number, name in enumerate(names)}
            rows = [(placed.file_name, placed.reasons) for placed in self._order]
            rows += [(name, ("decided, but predicted no more",)) for name in self._others]
            photos = []
            for file_name, reasons in rows:
                photo = self._store.photos[file_name]
                categories = sorted({ids[one.category] for one in photo.instances})
                photos.append(
                    {
                        "name": file_name,
                        "reasons": reasons,
                        "categories": categories,
                        "review": photo.review,
                        "is_touched": photo.is_touched,
                    }
                )
            return {"photos": photos, "categories": names, **self._progress()}

    def photo_jpeg(self, name: str) -> bytes:
        """The photo upright, as JPEG of at most 1600 pixels a side."""
        photo = self._pixels(self._known(name))
        scale = _SHOWN_SIDE / max(photo.shape[:2])
        if scale < 1:
            size_wh = [max(1, round(side * scale)) for side in photo.shape[1::-1]]
            photo = cv2.resize(photo, size_wh, interpolation=cv2.INTER_AREA)
        return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()

    def shown(self, name: str) -> dict:
        """One photo with its garments, as decide() answers."""
        photo = self._known(name)
        with self._lock:
            return self._answer(photo)

    def decide(self, name: str, revision: int, action: str, asked: dict[str, Any]) -> dict:
        """Does what a reviewer asks.

        Args:
            name: Of the photo.
            revision: That the page shows.
            action: "accept", "reject", "reopen", "delete", "trim" (delete all doubtful garments),
                "category", "redraw", "add", "split".
            asked: "index" of the garment; "category"; "marks" (garment_masks); "is_exact": the
                strokes are the mask, not to be cut.

        Returns:
            The photo with its garments, and how far the review is.

        Raises:
            StaleEdit: The page does not show the photo as it is by now.
            ValueError: What is asked is malformed, or cannot be done; nothing has changed.
        """
        photo = self._known(name)
        if photo.revision != revision:  # before the work of cutting
            raise StaleEdit(
                f"{name}: has been changed in another window; it is shown as it is now, decide "
                "again."
            )
        if action in _REVIEWS:
            changed = replace(photo, review=_REVIEWS[action])
        elif action in _EDITS:
            instances = _EDITS[action](self, photo, asked)
            changed = replace(photo, instances=tuple(instances), review=PENDING)
        else:
            raise ValueError(f"{name}: got action {action!r}, expected {_known_actions()}.")
        with self._lock:
            decided = self._store.decide(changed, action)
            if action in ("accept", "reject"):
                self._decided_at.append(time.monotonic())
            return self._answer(decided)

    def undo(self, num_decisions: int) -> dict:
        """Takes the last decision back, whichever photo's; answers with that photo.

        Raises:
            StaleEdit: The page does not know of the last decision.
            ValueError: There is none.
        """
        with self._lock:
            restored = self._store.undo(num_decisions)
            if restored is None:
                raise ValueError("no decision to undo.")
            return self._answer(restored)

    def progress(self) -> dict:
        """num_decisions that can be undone, photos decided and in all, photos an hour."""
        with self._lock:
            return self._progress()

    def _progress(self) -> dict:
        photos = self._store.usable()
        times = list(self._decided_at)
        gaps = [after - before for before, after in zip(times, times[1:], strict=False)]
        worked_s = sum(gap for gap in gaps if gap < _PAUSE_S)
        num_gaps = sum(gap < _PAUSE_S for gap in gaps)
        return {
            "num_decisions": len(self._store.folder.history),
            "num_decided": sum(photo.review != PENDING for photo in photos),
            "num_photos": len(photos),
            "photos_per_hour": round(3600 * num_gaps / worked_s) if worked_s > 0 else None,
        }

    def _answer(self, photo: ReviewedPhoto) -> dict:
        garments = [
            {
                "category": one.category,
                "score": one.score,
                "source": one.source,
                "contours": garment_masks.contours(masks.mask_from_rle(rle)),
                "area": masks.area_from_rle(rle),
                "is_doubtful": self._is_doubtful(one),
            }
            for one, rle in zip(photo.instances, photo.rles(), strict=True)
        ]
        return {
            "name": photo.file_name,
            "width": photo.width,
            "height": photo.height,
            "review": photo.review,
            "is_touched": photo.is_touched,
            "revision": photo.revision,
            "garments": garments,
            **self._progress(),
        }

    def _category_names(self) -> tuple[str, ...]:
        known = self._store.folder.category_names
        return (*known, *(name for name in self._more_categories if name not in known))

    def _is_doubtful(self, instance: ReviewedInstance) -> bool:
        """Whether the model by itself would not show it."""
        thresholds = self._store.folder.settings.score_thresholds
        return instance.score is not None and instance.score < thresholds.get(
            instance.category, 0.0
        )

    def _known(self, name: str) -> ReviewedPhoto:
        with self._lock:
            photo = self._store.photos.get(name)
        if photo is None or photo.error:
            raise ValueError(f"{name}: no photo of this name is reviewed here; reload the page.")
        return photo

    def _pixels(self, photo: ReviewedPhoto) -> np.ndarray:
        path = self._photos_dir / photo.file_name
        rgb = decode_photo(read_photo_bytes(path))
        if rgb.shape[:2] != (photo.height, photo.width):
            raise ValueError(
                f"{path}: is {rgb.shape[1]}x{rgb.shape[0]} by now, expected {photo.width}x"
                f"{photo.height} pixels as predicted; predict it again."
            )
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)

    def _drawn(self, photo: ReviewedPhoto, asked: dict[str, Any], start: np.ndarray | None) -> str:
        """The string of the RLE of a mask as marked."""
        marks = asked.get("marks")
        if not isinstance(marks, list) or not marks:
            raise ValueError("mark first: B box, P garment, X background.")
        if asked.get("is_exact"):
            empty = np.zeros((photo.height, photo.width), np.uint8)
            mask = garment_masks.painted(marks, empty if start is None else start)
        else:
            mask = garment_masks.cut_as_marked(self._pixels(photo), marks, start)
        return masks.rle_from_mask(mask)["counts"].decode()

    def _category(self, asked: dict[str, Any]) -> str:
        category = asked.get("category")
        with self._lock:
            names = self._category_names()
        if category not in names:
            raise ValueError(f"category: got {category!r}, expected one of {', '.join(names)}.")
        return str(category)

    def _without(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        index = _index(photo, asked)
        return [*photo.instances[:index], *photo.instances[index + 1 :]]

    def _trimmed(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        kept = [one for one in photo.instances if not self._is_doubtful(one)]
        if len(kept) == len(photo.instances):
            raise ValueError("no garment here is doubtful.")
        return kept

    def _renamed(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        index, category = _index(photo, asked), self._category(asked)
        return _with(photo, index, [replace(photo.instances[index], category=category)])

    def _redrawn(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        index = _index(photo, asked)
        counts = self._drawn(photo, asked, masks.mask_from_rle(photo.rles()[index]))
        changed = replace(photo.instances[index], counts=counts, source=PERSON)
        return _with(photo, index, [changed])

    def _added(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        category = self._category(asked)
        counts = self._drawn(photo, asked, None)
        return [*photo.instances, ReviewedInstance(category, None, counts, PERSON)]

    def _split(self, photo: ReviewedPhoto, asked: dict[str, Any]) -> list[ReviewedInstance]:
        index = _index(photo, asked)
        parts = garment_masks.pieces(masks.mask_from_rle(photo.rles()[index]))
        if len(parts) < 2:
            raise ValueError("this garment is one piece; nothing to split.")
        rles = [masks.rle_from_mask(part)["counts"].decode() for part in parts]
        whole = photo.instances[index]
        return _with(photo, index, [replace(whole, counts=rle, source=PERSON) for rle in rles])


_EDITS: dict[str, Callable[[GarmentSession, ReviewedPhoto, dict], list[ReviewedInstance]]] = {
    "delete": GarmentSession._without,
    "trim": GarmentSession._trimmed,
    "category": GarmentSession._renamed,
    "redraw": GarmentSession._redrawn,
    "add": GarmentSession._added,
    "split": GarmentSession._split,
}


def _known_actions() -> str:
    return ", ".join([*_REVIEWS, *_EDITS])


def _index(photo: ReviewedPhoto, asked: dict[str, Any]) -> int:
    index = asked.get("index")
    if not isinstance(index, int) or not 0 <= index < len(photo.instances):
        raise ValueError(
            f"{photo.file_name}: got garment {index!r}, expected 0 to {len(photo.instances) - 1}; "
            "choose one first."
        )
    return index


def _with(
    photo: ReviewedPhoto, index: int, changed: list[ReviewedInstance]
) -> list[ReviewedInstance]:
    return [*photo.instances[:index], *changed, *photo.instances[index + 1 :]]
