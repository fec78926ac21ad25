"""Joins ModaNet's annotations with PaperDoll's photos and posts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_prep.annotated_image import MAX_IMAGE_ID
from data_prep.coco_image import convert_coco_record
from data_prep.coco_json import CocoImage, CocoJson, CocoRecord
from data_prep.modanet.raw_files import ModanetPaths, PhotoStore, read_post_ids
from data_prep.raw_dataset import Conversion, ImageKey, Note, RawDataset, RawSource

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


@dataclass
class ModanetSource(RawSource):
    """The photos of one of ModaNet's two json files."""

    coco: CocoJson | None = None
    images: dict[int, CocoImage] = field(default_factory=dict)

    def records(self, image_ids: list[int]) -> Iterator[CocoRecord]:
        """Yields each photo's entry with its annotations."""
        return (self.coco.record(self.images[image_id]) for image_id in image_ids)


@dataclass(frozen=True)
class ModanetConverter:
    """Looks a record's photo up and makes the image."""

    photos: PhotoStore
    max_side: int | None

    def __call__(self, record: CocoRecord) -> Conversion:
        """Reads one photo; without annotations it is one of the challenge's."""
        return convert_coco_record(
            record,
            self.photos.read(record.image.image_id),
            num_categories=len(CATEGORY_NAMES),
            max_side=self.max_side,
            keep_empty=not record.annotation_texts,
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
    train_ids = {image.image_id for image in train.images}
    sources = [_train_source(train, read_post_ids(paths.photos_db, train_ids))]
    if paths.challenge_json is not None:
        # It was a challenge's test set: some copies have an empty list of annotations, some none.
        challenge = _open_json(paths.challenge_json, needs_annotations=False)
        sources.append(_challenge_source(challenge, train_ids))
    converter = ModanetConverter(photos, max_side)
    return RawDataset(CATEGORY_NAMES, sources, converter)


def _open_json(path: Path, needs_annotations: bool = True) -> CocoJson:
    coco = CocoJson(path, needs_annotations)
    expected = dict(enumerate(CATEGORY_NAMES, start=1))
    if coco.category_names != expected:
        raise ValueError(
            f"{path}: got the categories {coco.category_names}, expected ModaNet's {expected}."
        )
    for image in coco.images:
        if not 0 <= image.image_id <= MAX_IMAGE_ID:
            raise ValueError(
                f"{path}: got image id {image.image_id}, expected 0..{MAX_IMAGE_ID}: larger ones "
                "lose digits in evaluation."
            )
    return coco


def _train_source(coco: CocoJson, post_ids: dict[int, int | None]) -> ModanetSource:
    def unusable_reason(image: CocoImage) -> str | None:
        if not coco.annotation_ids(image.image_id):
            return "no_annotations"
        if image.image_id not in post_ids:  # it could be of the same outfit as any other
            return "not_in_photos_table"
        return None

    def split_key(image: CocoImage) -> str:
        post_id = post_ids[image.image_id]
        return f"photo {image.image_id}" if post_id is None else f"post {post_id}"

    return _source("train json", coco, None, unusable_reason, split_key)


def _challenge_source(coco: CocoJson, train_ids: set[int]) -> ModanetSource:
    def unusable_reason(image: CocoImage) -> str | None:
        return "also_in_train_json" if image.image_id in train_ids else None

    return _source("val json (challenge)", coco, "challenge", unusable_reason, lambda image: "")


def _source(
    name: str,
    coco: CocoJson,
    split: str | None,
    unusable_reason: Callable[[CocoImage], str | None],
    split_key: Callable[[CocoImage], str],
) -> ModanetSource:
    source = ModanetSource(name, len(coco.images), coco.num_annotations, split=split, coco=coco)
    source.dropped = [Note("image_not_in_json", i) for i in coco.orphan_annotation_ids()]
    seen = set()
    for image in sorted(coco.images, key=lambda image: image.image_id):
        if image.image_id in seen:  # its annotations are with the first of them
            source.left_out.append(Note("repeated_in_json", image.image_id))
            continue
        seen.add(image.image_id)
        reason = unusable_reason(image)
        if reason is None:
            source.images[image.image_id] = image
            source.keys.append(ImageKey(image.image_id, split_key(image)))
        else:
            source.left_out.append(Note(reason, image.image_id))
            annotation_ids = coco.annotation_ids(image.image_id)
            source.dropped += [Note("photo_left_out", i) for i in annotation_ids]
    return source
