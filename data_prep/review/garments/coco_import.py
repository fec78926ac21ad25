"""Takes over what another tool made of a review folder's photos (coco.import_coco)."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from data_prep.auto_mask.store import PhotoMasks, ProductMask
from data_prep.readers.review_folder import PERSON, ReviewedInstance, ReviewedPhoto
from data_prep.review import coco
from data_prep.review.garments.store import GarmentStore


def import_coco(store: GarmentStore, path: Path) -> Counter:
    """Takes a COCO json's garments over, photo by photo, each as a decision that can be undone.

    Args:
        store: Of the photos.
        path: The json.

    Returns:
        As coco.import_coco.

    Raises:
        ValueError: As coco.import_coco; nothing is imported then.
    """
    return coco.import_coco(_AsMasks(store), path)


class _AsMasks:
    """A GarmentStore as coco.import_coco sees a store of masks."""

    def __init__(self, store: GarmentStore):
        self._store = store
        self.photos = {name: _as_masks(photo) for name, photo in store.photos.items()}

    def usable(self) -> list[PhotoMasks]:
        """The photos that could be predicted, by name."""
        return [self.photos[photo.file_name] for photo in self._store.usable()]

    def coco(self) -> dict:
        """Of the store."""
        return self._store.coco()

    def add(self, photo: PhotoMasks) -> None:
        """Decides what has changed; garments that were known keep their score."""
        if photo == self.photos[photo.file_name]:
            return
        before = self._store.photos[photo.file_name]
        known = {(one.category, one.counts): one for one in before.instances}
        instances = tuple(
            known.get(
                (product.category, product.counts),
                ReviewedInstance(product.category, None, product.counts, PERSON),
            )
            for product in photo.products
        )
        self._store.decide(replace(before, instances=instances, review=photo.review), "import")


def _as_masks(photo: ReviewedPhoto) -> PhotoMasks:
    return PhotoMasks(
        photo.file_name,
        photo.height,
        photo.width,
        confidence=0.0,
        products=tuple(ProductMask(one.category, one.counts) for one in photo.instances),
        review=photo.review,
        error=photo.error,
    )
