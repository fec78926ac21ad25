"""Masks to and from COCO json, so that CVAT, Label Studio or FiftyOne can do the review."""

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

from data_prep.annotations.segmentations import SegmentationError, segment_from_raw
from data_prep.auto_mask.store import (
    ACCEPTED,
    PENDING,
    REJECTED,
    MaskStore,
    PhotoMasks,
    ProductMask,
)
from data_prep.readers.coco_json import CocoImage, CocoJson
from tfseg.io.atomic_files import write_whole


def export_coco(store: MaskStore, path: Path) -> None:
    """Writes the masks as a COCO json, whole or not at all."""
    write_whole(path, json.dumps(store.coco()), "the masks")


def import_coco(store: MaskStore, path: Path) -> Counter:
    """Takes the masks of a COCO json over, photo by photo.

    A photo is known by its file name, or by that name's last part where only one photo has it.
    What another tool gives back counts as accepted, unless the json says otherwise.

    Args:
        store: of the photos; gets the masks.
        path: the json; polygons and both kinds of RLE are read.

    Returns:
        Counts: imported, unknown photos, and what was wrong.

    Raises:
        ValueError: The file is no COCO json, or a mask in it is damaged; nothing is imported then.
    """
    coco = CocoJson(path)
    by_last_part: dict[str, list[str]] = {}
    for photo in store.usable():
        by_last_part.setdefault(Path(photo.file_name).name, []).append(photo.file_name)
    reviews = _reviews(path)
    counts = Counter()
    imported = []
    for image in coco.images:
        candidates = by_last_part.get(Path(image.file_name).name, [])
        name = image.file_name if image.file_name in store.photos else None
        name = candidates[0] if name is None and len(candidates) == 1 else name
        if name is None or store.photos[name].error:
            counts["photos not known here"] += 1
            continue
        imported.append(_imported(store.photos[name], coco, image, reviews.get(image.image_id)))
    for photo in imported:  # only now: a damaged mask leaves all as it was
        store.add(photo)
        counts["photos imported"] += 1
    return counts


def _imported(
    photo: PhotoMasks, coco: CocoJson, image: CocoImage, review: str | None
) -> PhotoMasks:
    products = []
    for text in coco.record(image).annotation_texts:
        annotation = json.loads(text)
        where = f"{coco.path}, annotation {annotation['id']} of {image.file_name}"
        category = coco.category_names.get(annotation["category_id"])
        if category is None:
            raise ValueError(f"{where}: its category_id is not in 'categories'; export it again.")
        try:
            segment = segment_from_raw(
                annotation["segmentation"],
                (image.height, image.width),
                (photo.height, photo.width),
            )
        except SegmentationError as error:
            raise ValueError(
                f"{where}: a damaged mask ({error.reason}), expected polygons or RLE of "
                f"{image.width}x{image.height} pixels; export it again."
            ) from error
        products.append(ProductMask(category, segment.rle["counts"].decode()))
    known = (tuple(products), review or ACCEPTED)
    if known == (photo.products, photo.review):
        return photo
    engine = photo.engine if known[0] == photo.products else "coco"
    return replace(photo, products=known[0], review=known[1], engine=engine)


def _reviews(path: Path) -> dict[int, str]:
    """The review of each image that the json itself gives."""
    images = json.loads(path.read_text(encoding="utf-8"))["images"]
    states = (PENDING, ACCEPTED, REJECTED)
    return {image["id"]: image["review"] for image in images if image.get("review") in states}
