"""Which split a reviewed photo belongs to, and its image id: written down once, for ever.

A hash of the name alone would do while nothing else decides. But a small set takes a photo of train
for val where val would be empty, and photos of one garment taken twice belong together; both depend
on what else is there. So the first build that meets a photo decides, and splits.json in the review
folder keeps it: while the set grows, no photo moves from val to train.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from data_prep.annotations.annotated_image import MAX_IMAGE_ID
from data_prep.build.splits import SplitPlan
from tfseg.io.atomic_files import write_whole
from tfseg.io.folder_lock import only_one
from tfseg.structures.review_predictions import is_dhash

SPLITS_NAME = "splits.json"
_LOCK_NAME = ".splits.lock"
_FORMAT = 1
_NEAR_BITS = 3  # of 64: difference hashes of one photo, saved twice or cropped a little


@dataclass(frozen=True)
class Assignment:
    """What was decided of a photo.

    Attributes:
        split: "train", "val" or "test".
        image_id: from 1.
        dhash: its difference hash of 64 bits, hex; "" where it is not known.
    """

    split: str
    image_id: int
    dhash: str = ""


def assign(review_dir: Path, dhashes: Mapping[str, str], plan: SplitPlan) -> dict[str, Assignment]:
    """Decides of new photos and keeps it.

    Args:
        review_dir: has or gets splits.json.
        dhashes: of the photos by file name.
        plan: how new photos are divided.

    Returns:
        Of all photos, those of earlier builds too.

    Raises:
        ValueError: splits.json is damaged, or another build is at work on it.
    """
    with only_one(review_dir / _LOCK_NAME, "another build", "--review_dir"):
        kept = _read(review_dir / SPLITS_NAME)
        new = sorted(set(dhashes) - set(kept))
        if new:
            kept |= _decide(new, kept, dhashes, plan)
            content = {"format": _FORMAT, "photos": {n: asdict(kept[n]) for n in sorted(kept)}}
            write_whole(
                review_dir / SPLITS_NAME,
                json.dumps(content, indent=1) + "\n",
                "which photo belongs to which split",
            )
    return kept


def _decide(
    new: Sequence[str],
    kept: Mapping[str, Assignment],
    dhashes: Mapping[str, str],
    plan: SplitPlan,
) -> dict[str, Assignment]:
    splits = {one.split for one in kept.values()}
    moved = plan.with_none_empty(map(_split_key, new), splits)
    known = [(one.dhash, one.split) for one in kept.values() if one.dhash]
    hashes = np.array([int(dhash, 16) for dhash, _ in known], np.uint64)
    of_known = [split for _, split in known]
    next_id = max((one.image_id for one in kept.values()), default=0) + 1
    decided = {}
    # Those that fill an empty split first: no near-duplicate may take them back.
    for name in sorted(new, key=lambda name: (_split_key(name) not in moved, name)):
        key, dhash = _split_key(name), dhashes[name]
        split = moved.get(key) or _of_near(dhash, hashes, of_known) or plan.split_of(key)
        decided[name] = Assignment(split, next_id, dhash)
        next_id += 1
        if dhash:
            hashes = np.append(hashes, np.uint64(int(dhash, 16)))
            of_known.append(split)
    return decided


def _of_near(dhash: str, hashes: np.ndarray, splits: Sequence[str]) -> str | None:
    """The split of the first photo that looks the same."""
    if not dhash:
        return None
    differing = np.bitwise_count(hashes ^ np.uint64(int(dhash, 16)))
    near = np.flatnonzero(differing <= _NEAR_BITS)
    return splits[near[0]] if len(near) else None


def _split_key(name: str) -> str:
    return f"photo {name}"  # as of photos in a COCO json


def _read(path: Path) -> dict[str, Assignment]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}")
        photos = {name: Assignment(**fields) for name, fields in content["photos"].items()}
        problem = _problem(list(photos.values()))
        if problem:
            raise ValueError(problem)
        return photos
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: got {error!r}, expected what an earlier build wrote; put it back from a "
            "backup. Without it, photos of val may come to be trained on."
        ) from error


def _problem(photos: Sequence[Assignment]) -> str:
    """What is wrong with what was decided, "" for nothing."""
    for one in photos:
        if one.split not in ("train", "val", "test"):
            return f"the split {one.split!r}, none of train, val and test"
        if type(one.image_id) is not int or not 1 <= one.image_id <= MAX_IMAGE_ID:
            return f"the image id {str(one.image_id)[:20]!r}"
        if not is_dhash(one.dhash):
            return f"the dhash {one.dhash[:20]!r}"
    if len({one.image_id for one in photos}) != len(photos):
        return "two photos of one image id"
    return ""
