"""Small raw data sets with their truth; each is damaged, built, and what comes of it judged."""

import gzip
import random
import sqlite3
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep import dataset_registry
from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features
from tests.data_prep.random_coco import random_coco
from tests.data_prep.raw_damage import damage_a_file
from tests.data_prep.raw_fgvc6 import RawFgvc6, box_mask
from tests.data_prep.raw_modanet import RawModanet, box_polygon, draw_jpeg
from tests.data_prep.raw_product import middle_mask, write_product

# By file name: the masks of its instances, as bytes, with their size.
Truth = dict[str, set[tuple[tuple[int, int], bytes]]]
_OPTIONS = PrepOptions(max_bad_percent=60, num_workers=1, split_plan=SplitPlan(0))
_NUM_PHOTOS = 12


class Outcome(NamedTuple):
    """What came of a damaged data set.

    Attributes:
        damage: what was done to which file.
        error: the build's own; None where it built.
        strange_photos: in the shards, with an instance that the truth does not have.
        num_photos: in the shards.
    """

    damage: str
    error: str | None
    strange_photos: list[str]
    num_photos: int


def write_coco(rng: random.Random, raw_dir: Path) -> Truth:
    coco = random_coco(rng.randrange(1000), _NUM_PHOTOS)
    coco.write(raw_dir)
    return {p.file_name: {_key(i.mask) for i in p.instances} for p in coco.truth.values()}


def write_modanet(rng: random.Random, raw_dir: Path) -> Truth:
    raw, truth = RawModanet(), {}
    for photo_id in range(1, _NUM_PHOTOS + 1):
        raw.add_photo(photo_id, post_id=photo_id)
        masks = set()
        for category_id in (4, 4, 6):
            x, y = rng.randrange(30), rng.randrange(20)
            number = len(raw.annotations) + 1
            raw.annotate(number, photo_id, category_id, [box_polygon(x, y, x + 9, y + 8)])
            masks.add(_key(box_mask(30, 40, x, y, x + 9, y + 8)))
        truth[f"{photo_id:07d}.jpg"] = masks
    raw.add_challenge_photo(301)
    truth["0000301.jpg"] = set()
    raw.write(raw_dir)
    if rng.random() < 0.5:
        _pack_table(raw_dir / "paperdoll")
    return truth


def _pack_table(folder: Path) -> None:
    path = folder / "chictopia.sqlite3"
    connection = sqlite3.connect(path)
    with gzip.open(folder / "chictopia.sql.gz", "wt", encoding="utf-8") as dump:
        dump.write("\n".join(connection.iterdump()) + "\n")
    connection.close()
    path.unlink()


def write_fgvc6(rng: random.Random, raw_dir: Path) -> Truth:
    raw, truth = RawFgvc6(), {}
    for number in range(_NUM_PHOTOS):
        name = raw.add_photo(number)
        truth[name] = set()
        for class_id in ("0", "1_20_30"):
            x, y = rng.randrange(30), rng.randrange(20)
            mask = box_mask(30, 40, x, y, x + 9, y + 8)
            raw.add_mask(name, mask, class_id)
            truth[name].add(_key(mask))
    test_name = raw.add_photo(100)
    raw.test_photos[test_name] = raw.photos.pop(test_name)
    truth[test_name] = set()
    raw.write(raw_dir)
    return truth


def write_product_photos(rng: random.Random, raw_dir: Path) -> Truth:
    names = [f"{category}/{i}" for category in ("dress", "bag") for i in range(_NUM_PHOTOS // 2)]
    write_product(raw_dir, names)
    for seed, name in enumerate(names):
        (raw_dir / "photos" / f"{name}.jpg").write_bytes(draw_jpeg(40, 30, seed))
    return {f"{name}.jpg": {_key(middle_mask())} for name in names}


RAW_DATA_SETS: dict[str, Callable[[random.Random, Path], Truth]] = {
    "coco": write_coco,
    "modanet": write_modanet,
    "fgvc6": write_fgvc6,
    "product": write_product_photos,
}


def run_case(seed: int, folder: Path) -> Outcome:
    """Writes, damages, builds and judges one data set; equal for equal seeds.

    Any exception that is not the build's own ValueError passes through: a bug.

    Args:
        seed: of everything in it.
        folder: empty.
    """
    rng = random.Random(seed)
    name = rng.choice(sorted(RAW_DATA_SETS))
    truth = RAW_DATA_SETS[name](rng, folder / "raw")
    owners = _owners_of_photos(folder / "raw", truth)
    path, how = damage_a_file(rng, folder / "raw")
    damage = f"{name} {seed}: {how} of {path.relative_to(folder / 'raw')}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # numpy's are of numbers that went wrong
            warnings.simplefilter("ignore", DeprecationWarning)
            build_dataset(
                dataset_registry.builder_class(name), folder / "raw", folder / "prepared", _OPTIONS
            )
    except ValueError as error:
        return Outcome(damage, str(error), [], 0)
    strange, num_photos = _strange_photos(folder / "prepared", truth, owners)
    return Outcome(damage, None, strange, num_photos)


def _owners_of_photos(raw_dir: Path, truth: Truth) -> dict[bytes, str]:
    """Whose bytes these are; PaperDoll's photos are drawn by their ids."""
    files = {name: path for path in raw_dir.rglob("*") for name in truth if path.match(f"*/{name}")}
    owners = {path.read_bytes(): name for name, path in files.items()}
    if (raw_dir / "paperdoll").is_dir():
        owners = {draw_jpeg(40, 30, seed=int(name.split(".")[0])): name for name in truth}
    return owners


def _strange_photos(data_dir: Path, truth: Truth, owners: dict) -> tuple[list[str], int]:
    """Decodes all; what does not agree with itself is an AssertionError, as is a swapped photo."""
    strange, num_photos = [], 0
    for split in open_prepared(data_dir).splits:
        plain = features(data_dir, split)
        for image_id, example in decode(data_dir, split).items():
            num_photos += 1
            file_name = plain[image_id]["image/filename"][0].decode()
            _check_agreement(example)
            owner = owners.get(plain[image_id]["image/encoded"][0], file_name)
            assert owner == file_name or file_name not in truth
            masks = {_key(mask) for mask in example["groundtruth_instance_masks"]}
            if not masks <= truth.get(owner, set()):
                strange.append(file_name)
    return strange, num_photos


def _check_agreement(example: dict) -> None:
    size_hw = (int(example["height"]), int(example["width"]))
    assert example["image"].shape[:2] == size_hw
    masks = example["groundtruth_instance_masks"]
    assert masks.shape == (len(example["groundtruth_classes"]), *size_hw)
    assert set(np.unique(masks)) <= {0, 1}
    for mask, box in zip(masks, example["groundtruth_boxes"], strict=True):
        rows, columns = np.nonzero(mask)
        expected = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        np.testing.assert_allclose(box * (*size_hw, *size_hw), expected, atol=1e-3)


def _key(mask: np.ndarray) -> tuple[tuple[int, int], bytes]:
    return mask.shape, np.packbits(mask.astype(np.uint8)).tobytes()
