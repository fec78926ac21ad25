"""Masks to and from COCO json, so that CVAT, Label Studio or FiftyOne can do the review."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

from pycocotools import mask as coco_mask

from data_prep.annotations import masks
from data_prep.annotations.polygons import joined_polygon, polygons_from_mask
from data_prep.annotations.segmentations import SegmentationError, segment_from_raw
from data_prep.auto_mask.store import (
    ACCEPTED,
    PENDING,
    REJECTED,
    PhotoMasks,
    ProductMask,
)
from data_prep.convert.annotation_formats import refuse_other_formats
from data_prep.readers.coco_json import CocoImage, CocoJson
from data_prep.readers.photo_names import PhotoIndex
from tfseg.io.atomic_files import write_whole
from tfseg.structures.coco_values import whole_number


class CocoStore(Protocol):
    """A store that writes its photos as COCO: auto_mask's MaskStore, or a GarmentStore."""

    def coco(self) -> dict:
        """The photos as a COCO json."""
        ...


class PhotoStore(CocoStore, Protocol):
    """A store that takes masks over: a MaskStore, or garments.coco_import of a GarmentStore.

    Attributes:
        photos: By file name.
    """

    photos: dict[str, PhotoMasks]

    def usable(self) -> list[PhotoMasks]:
        """The photos that can be read, by name."""
        ...

    def add(self, photo: PhotoMasks) -> None:
        """Takes a photo's masks and review over."""
        ...


class PolygonLoss(NamedTuple):
    """IoU of masks with the polygons they were written as."""

    mean_iou: float
    worst_iou: float


def export_coco(store: CocoStore, path: Path, as_polygons: bool = False) -> PolygonLoss | None:
    """Writes the masks as a COCO json, whole or not at all.

    Args:
        store: of the photos.
        path: the json.
        as_polygons: for tools that read no RLE, as Label Studio's converter; one a mask, as it
            reads the first alone.

    Returns:
        What the polygons cost; None where the masks are written as they are.
    """
    # CVAT's reader of streams wants both.
    content = {"info": {"description": "fashion masks"}, "licenses": [], **store.coco()}
    ious = []
    for annotation in content["annotations"] if as_polygons else []:
        rle = annotation["segmentation"]
        mask = masks.mask_from_rle(rle)
        polygons: Sequence[Sequence[float]] = polygons_from_mask(mask)
        if len(polygons) > 1:
            polygons = [joined_polygon(polygons)]
        drawn = masks.rle_from_polygons(polygons, *mask.shape) if polygons else None
        ious.append(float(coco_mask.iou([drawn], [rle], [False])[0, 0]) if drawn else 0.0)
        annotation["segmentation"] = polygons
    write_whole(path, json.dumps(content), "the masks")
    return PolygonLoss(sum(ious) / len(ious), min(ious)) if ious else None


def import_coco(store: PhotoStore, path: Path) -> Counter:
    """Takes the masks of a COCO json over, photo by photo.

    A photo is known by its file name, or by what tools make of it where only one photo fits
    (photo_names): Label Studio's prefix, backslashes, other folders.
    What another tool gives back counts as accepted, unless the json says otherwise.

    Args:
        store: of the photos; gets the masks.
        path: the json; polygons and both kinds of RLE are read.

    Returns:
        Counts: imported, unknown photos, and what was wrong.

    Raises:
        ValueError: The file is no COCO json, a mask in it is damaged, or none of its photos is
            known; nothing is imported then.
    """
    refuse_other_formats(path)
    coco = CocoJson(path)
    known = [photo.file_name for photo in store.usable()]
    unknown = [i.file_name for i in coco.images if i.file_name not in store.photos]
    taken = {image.file_name for image in coco.images} - set(unknown)
    other_names = PhotoIndex(known).matched(unknown, taken)
    counts: Counter[str] = Counter()
    imported = []
    for image in coco.images:
        name = other_names.get(image.file_name, image.file_name)
        if name not in store.photos or store.photos[name].error:
            counts["photos not known here"] += 1
            continue
        if image.height is None and not coco.annotation_ids(image.image_id):
            counts["photos without size and masks left alone"] += 1
            continue
        imported.append(_imported(store.photos[name], coco, image))
    if coco.images and not imported and counts["photos not known here"] == len(coco.images):
        raise ValueError(
            f"{path}: none of its {len(coco.images)} photos is known here: got names such as "
            f"{coco.images[0].file_name!r}, expected such as {known[0] if known else 'none'!r}."
        )
    for photo in imported:  # only now: a damaged mask leaves all as it was
        store.add(photo)
        counts["photos imported"] += 1
    return counts


def _imported(photo: PhotoMasks, coco: CocoJson, image: CocoImage) -> PhotoMasks:
    products = []
    for text in coco.record(image).annotation_texts:
        annotation = json.loads(text)
        where = f"{coco.path}, annotation {annotation.get('id')} of {image.file_name}"
        category_id = whole_number(annotation["category_id"])
        category = None if category_id is None else coco.category_names.get(category_id)
        if category is None:
            raise ValueError(f"{where}: its category_id is not in 'categories'; export it again.")
        try:
            segment = segment_from_raw(
                annotation.get("segmentation"),
                (image.height or photo.height, image.width or photo.width),
                (photo.height, photo.width),
            )
        except SegmentationError as error:
            raise ValueError(
                f"{where}: a damaged mask ({error.reason}), expected polygons or RLE of "
                f"{image.width}x{image.height} pixels; export it again."
            ) from error
        products.append(ProductMask(category, segment.rle["counts"].decode()))
    review = image.review if image.review in (PENDING, ACCEPTED, REJECTED) else ACCEPTED
    known = (tuple(products), review)
    if known == (photo.products, photo.review):
        return photo
    engine = photo.engine if known[0] == photo.products else "coco"
    return replace(photo, products=known[0], review=known[1], engine=engine)
