"""What a reviewer does to the masks of a folder; every decision is on disk when it is answered."""

import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from data_prep.annotations import masks
from data_prep.auto_mask.cutout.cut import cut
from data_prep.auto_mask.run import OVERLAYS_NAME, read_photo, write_overlay
from data_prep.auto_mask.store import (
    ACCEPTED,
    PENDING,
    REJECTED,
    MaskStore,
    PhotoMasks,
    ProductMask,
)
from data_prep.review.marks import hints_from_marks

_WRITE_AFTER_S = 1.0


class ProductSession:
    """The review of a MaskStore; safe to call from several threads.

    Args:
        store: of the masks.
        photos_dir: that the file names are relative to.
    """

    def __init__(self, store: MaskStore, photos_dir: Path):
        self._store = store
        self._photos_dir = photos_dir
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def photos(self) -> list[dict]:
        """The photos as the page shows them, least confident first."""
        with self._lock:
            ordered = sorted(self._store.usable(), key=lambda p: (p.confidence, p.file_name))
            return [_shown(photo) for photo in ordered]

    def category_names(self) -> list[str]:
        """All categories, sorted."""
        with self._lock:
            return self._store.category_names()

    def photo_jpeg(self, name: str) -> bytes:
        """The photo, upright as its masks are, as JPEG."""
        photo = read_photo(self._photos_dir / self._known(name).file_name)
        return cv2.imencode(".jpg", photo, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()

    def mask_png(self, name: str) -> bytes:
        """The products as grey levels 1, 2, ... of a PNG of the photo's size, 0 elsewhere."""
        photo = self._known(name)
        labels = np.zeros((photo.height, photo.width), np.uint8)
        for label, rle in enumerate(photo.rles(), start=1):
            labels[masks.mask_from_rle(rle) > 0] = min(label, 255)
        return cv2.imencode(".png", labels)[1].tobytes()

    def decide(self, name: str, review: str) -> dict:
        """Accepts, rejects, or takes a decision back ("pending").

        Raises:
            ValueError: Another decision, or an unknown photo.
        """
        if review not in (ACCEPTED, REJECTED, PENDING):
            raise ValueError(f"{name}: got decision {review!r}, expected accepted or rejected.")
        return self._change(name, lambda photo: replace(photo, review=review))

    def set_category(self, name: str, category: str) -> dict:
        """Gives all products of a photo another category.

        Raises:
            ValueError: The name is empty or an unknown photo's.
        """
        category = category.strip()
        if not category or len(category) > 60:
            raise ValueError(f"{name}: got category {category!r}, expected 1 to 60 characters.")

        def changed(photo: PhotoMasks) -> PhotoMasks:
            products = tuple(replace(product, category=category) for product in photo.products)
            return replace(photo, products=products)

        return self._change(name, changed)

    def touch_up(self, name: str, marks: list[dict]) -> dict:
        """Cuts a photo anew as marked; the photo waits for a decision again.

        Args:
            name: of the photo.
            marks: {"kind": "box", "points": two corners}, or {"kind": "product" or "background",
                "points": of the stroke, "width": pixels}; points are [x, y] in photo pixels.

        Raises:
            ValueError: A mark is malformed.
        """
        known = self._known(name)
        hints = hints_from_marks(marks, (known.height, known.width))
        photo = read_photo(self._photos_dir / known.file_name)
        found = cut(photo, hints)
        rles = [masks.rle_from_mask(mask) for mask in found.products]
        write_overlay(photo, found.products, self._store.out_dir / OVERLAYS_NAME / name)

        def changed(photo: PhotoMasks) -> PhotoMasks:
            category = photo.products[0].category if photo.products else photo.category
            return replace(
                photo,
                products=tuple(ProductMask(category, rle["counts"].decode()) for rle in rles),
                confidence=round(found.confidence.score, 4),
                reasons=found.confidence.reasons,
                review=PENDING,
                engine="person",
            )

        return self._change(name, changed)

    def close(self) -> None:
        """Writes instances.json and masks.csv."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            self._store.write()

    def _known(self, name: str) -> PhotoMasks:
        with self._lock:
            photo = self._store.photos.get(name)
        if photo is None or photo.error:
            raise ValueError(f"{name}: no photo of this name has masks; reload the page.")
        return photo

    def _change(self, name: str, changed) -> dict:
        self._known(name)
        with self._lock:
            photo = changed(self._store.photos[name])
            self._store.add(photo, sync=True)
            if self._timer is None:
                # The journal has the decision; the json, which is long, may wait for the next one.
                self._timer = threading.Timer(_WRITE_AFTER_S, self._write)
                self._timer.daemon = True
                self._timer.start()
            return _shown(photo)

    def _write(self) -> None:
        with self._lock:
            self._timer = None
            self._store.write()


def _shown(photo: PhotoMasks) -> dict:
    return {
        "name": photo.file_name,
        "width": photo.width,
        "height": photo.height,
        "confidence": photo.confidence,
        "reasons": [reason.replace("_", " ") for reason in photo.reasons],
        "review": photo.review,
        "category": photo.products[0].category if photo.products else photo.category,
        "num_products": len(photo.products),
        "engine": photo.engine,
    }
