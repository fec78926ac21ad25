"""Joins ModaNet's annotations with PaperDoll's photos and posts."""

from pathlib import Path

from data_prep.datasets.modanet.photos_table import read_post_ids
from data_prep.datasets.modanet.raw_files import ModanetPaths, PhotoStore
from data_prep.readers.coco_json import CocoImage, CocoJson
from data_prep.readers.coco_source import CocoSource, coco_source
from data_prep.readers.photo_conversion import PhotoConverter, RecordConverter
from data_prep.readers.raw_dataset import Converter, RawDataset

CATEGORY_NAMES = (
    "bag",
    "belt",
    "boots",
    "footwear",
    "outer",
    "dress",
    "sunglasses",
    "pants",
    "top",
    "shorts",
    "skirt",
    "headwear",
    "scarf/tie",
)


def open_raw_dataset(paths: ModanetPaths, max_side: int | None) -> RawDataset:
    """Reads the json files and the post ids; no photos yet.

    Args:
        paths: from find_raw_files.
        max_side: the longest side to keep, pixels; None keeps the size.

    Raises:
        ValueError: A file is not what it should be; the message names it.
    """
    photos = PhotoStore(paths.photos_lmdb)
    photos.check()
    train = _open_json(paths.train_json)
    category_ids = {category_id: category_id for category_id in train.category_names}
    converter = RecordConverter(photos, PhotoConverter(category_ids, max_side))
    train_ids = {image.image_id for image in train.images}
    post_ids = read_post_ids(paths.photos_db, train_ids)
    sources = [_train_source(train, post_ids, converter)]
    if paths.challenge_json is not None:
        # It was a challenge's test set: some copies have an empty list of annotations, some none.
        challenge = _open_json(paths.challenge_json, needs_annotations=False)
        sources.append(_challenge_source(challenge, train_ids, converter))
    # ModaNet has no attributes; the drawn sample, which has its form, does.
    return RawDataset(CATEGORY_NAMES, sources, train.attribute_names)


def _open_json(path: Path, needs_annotations: bool = True) -> CocoJson:
    coco = CocoJson(path, needs_annotations)
    expected = dict(enumerate(CATEGORY_NAMES, start=1))
    if coco.category_names != expected:
        raise ValueError(
            f"{path}: got the categories {coco.category_names}, expected ModaNet's {expected}."
        )
    coco.check_image_ids()
    return coco


def _train_source(
    coco: CocoJson, post_ids: dict[int, int | None], converter: Converter
) -> CocoSource:
    def unusable_reason(image: CocoImage) -> str | None:
        if not coco.annotation_ids(image.image_id):
            return "no_annotations"
        if image.image_id not in post_ids:  # it could be of the same outfit as any other
            return "not_in_photos_table"
        return None

    def split_key(image: CocoImage) -> str:
        post_id = post_ids[image.image_id]
        return f"photo {image.image_id}" if post_id is None else f"post {post_id}"

    return coco_source("train json", coco, converter, unusable_reason, split_key)


def _challenge_source(coco: CocoJson, train_ids: set[int], converter: Converter) -> CocoSource:
    def unusable_reason(image: CocoImage) -> str | None:
        return "also_in_train_json" if image.image_id in train_ids else None

    source = coco_source("val json (challenge)", coco, converter, unusable_reason)
    source.split = "challenge"
    return source
