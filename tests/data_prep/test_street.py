"""Counts on real photos, taken from the raw files by hand and not by the code under test."""

import io
import json
import os
import shutil
from pathlib import Path

import lmdb
import numpy as np
import pytest
import tensorflow as tf
from official.vision.dataloaders.tf_example_decoder import TfExampleDecoder
from PIL import Image
from pycocotools import mask as coco_mask

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.combined.combined_dataset_builder import Builder as CombinedBuilder
from data_prep.datasets.fgvc6.fgvc6_dataset_builder import Builder as Fgvc6Builder
from data_prep.datasets.modanet.modanet_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features

REPO_DIR = Path(__file__).resolve().parents[2]
STREET_DIR = (REPO_DIR / os.environ.get("TFSEG_STREET_DIR", "../shared/street")).resolve()

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not STREET_DIR.is_dir(), reason=f"the real photos are not at {STREET_DIR}"),
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("street")
    build_dataset(Builder, STREET_DIR, data_dir, PrepOptions(num_workers=2))
    return open_prepared(data_dir)


def test_street_counts(prepared):
    assert prepared.splits == ("train", "val")
    assert prepared.num_examples("train") == 340
    assert prepared.num_examples("val") == 52
    assert prepared.max_num_instances == 9
    report = json.loads((prepared.path / "prep_report.json").read_text())
    train, challenge = report["sources"]
    missing = [200084, 201470, 202765, 204172, 204249, 204830, 205327]
    assert train["photos"] == {
        "in_raw": 400,
        "kept": 392,
        "left_out": {
            "photo_missing": {
                "count": 7,
                "example_ids": missing,
                "example_files": [f"{image_id:07d}.jpg" for image_id in missing],
            },
            "no_annotations": {
                "count": 1,
                "example_ids": [203752],
                "example_files": ["0203752.jpg"],
            },
        },
    }
    assert (train["annotations"]["in_raw"], train["annotations"]["kept"]) == (2056, 2023)
    assert train["annotations"]["dropped"]["photo_left_out"]["count"] == 33
    # 219 boxes of footwear and 12 of boots have their mask's size and another place.
    repairs = {reason: entry["count"] for reason, entry in train["repairs"].items()}
    assert repairs == {"box_of_another_instance": 231, "polygon_under_3_points": 5}
    assert challenge["photos"]["in_raw"] == 2799
    assert challenge["photos"]["left_out"]["photo_missing"]["count"] == 2799
    assert report["splits"]["val"]["instances_by_category"] == {
        "bag": 36,
        "belt": 9,
        "boots": 4,
        "footwear": 79,
        "outer": 31,
        "dress": 15,
        "sunglasses": 8,
        "pants": 30,
        "top": 30,
        "shorts": 3,
        "skirt": 11,
        "headwear": 3,
        "scarf/tie": 6,
    }


def test_street_records_equal_the_raw_files(prepared, tmp_path):
    """Every mask of val is that of the raw polygons, every photo that of the LMDB."""
    path = STREET_DIR / "modanet/annotations/modanet2018_instances_train.json"
    raw = {}
    for annotation in json.loads(path.read_text())["annotations"]:
        raw.setdefault(annotation["image_id"], []).append(annotation)
    # A copy: this process has opened the LMDB already, which it can only once.
    shutil.copyfile(STREET_DIR / "paperdoll/photos.lmdb/data.mdb", tmp_path / "data.mdb")
    photos = lmdb.open(str(tmp_path), readonly=True, lock=False)
    decoder = TfExampleDecoder(include_mask=True)
    num_masks = 0
    with photos.begin() as transaction:
        for record in tf.data.TFRecordDataset(prepared.record_paths("val")):
            example = decoder.decode(record)
            image_id = int(example["source_id"].numpy())
            photo_bytes = transaction.get(str(image_id).encode())
            photo = Image.open(io.BytesIO(photo_bytes))
            size = (photo.width, photo.height)
            assert (int(example["width"]), int(example["height"])) == size
            stored = tf.train.Example.FromString(record.numpy()).features.feature
            assert stored["image/encoded"].bytes_list.value[0] == photo_bytes
            masks = example["groundtruth_instance_masks"].numpy()
            assert len(masks) == len(raw[image_id])
            for mask, annotation in zip(masks, raw[image_id], strict=True):
                polygons = [p for p in annotation["segmentation"] if len(p) >= 6]
                rles = coco_mask.frPyObjects(polygons, photo.height, photo.width)
                expected = coco_mask.decode(rles).max(axis=2)
                np.testing.assert_array_equal(mask, expected)
                num_masks += 1
    photos.close()
    assert num_masks == 265


@pytest.fixture(scope="module")
def fgvc6(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("street_fgvc6")
    build_dataset(Fgvc6Builder, STREET_DIR / "fgvc6", data_dir, PrepOptions(num_workers=2))
    return open_prepared(data_dir)


def test_fgvc6_counts(fgvc6):
    report = json.loads((fgvc6.path / "prep_report.json").read_text())
    train, test = report["sources"]
    assert train["photos"] == {"in_raw": 90, "kept": 90, "left_out": {}}
    assert train["annotations"] == {"in_raw": 509, "kept": 509, "dropped": {}}
    assert train["repairs"] == {}
    assert test["photos"] == {"in_raw": 10, "kept": 10, "left_out": {}}
    splits = report["splits"]
    assert {name: split["num_examples"] for name, split in splits.items()} == {
        "train": 76,
        "val": 14,
        "challenge": 10,
    }
    assert (splits["train"]["num_instances"], splits["val"]["num_instances"]) == (429, 80)
    counts = splits["val"]["instances_by_category"]
    assert {name: count for name, count in counts.items() if count} == {
        "shirt, blouse": 4,
        "top, t-shirt, sweatshirt": 1,
        "sweater": 3,
        "jacket": 4,
        "pants": 5,
        "skirt": 3,
        "coat": 5,
        "dress": 5,
        "jumpsuit": 1,
        "glasses": 8,
        "hat": 2,
        "watch": 1,
        "belt": 2,
        "tights, stockings": 3,
        "shoe": 20,
        "bag, wallet": 11,
        "scarf": 2,
    }
    assert fgvc6.max_num_instances == 11
    assert len(fgvc6.category_names) == 46
    assert len(report["attribute_names"]) == 92


def test_fgvc6_records_equal_the_csv(fgvc6):
    """Every mask and attribute of every photo is that of the csv's run lengths."""
    rows = {}
    for line in (STREET_DIR / "fgvc6/train.csv").read_text().splitlines()[1:]:
        name, pixels, height, width, class_id = line.split(",")
        rows.setdefault(name, []).append((pixels, int(height), int(width), class_id))
    num_masks = num_with_attributes = 0
    for split in ("train", "val"):
        stored = features(fgvc6.path, split)
        for image_id, example in decode(fgvc6.path, split).items():
            name = stored[image_id]["image/filename"][0].decode()
            assert (
                stored[image_id]["image/encoded"][0]
                == (STREET_DIR / "fgvc6/train" / name).read_bytes()
            )
            masks = example["groundtruth_instance_masks"]
            assert len(masks) == len(rows[name])
            for index, (pixels, height, width, class_id) in enumerate(rows[name]):
                flat = np.zeros(height * width, np.uint8)
                numbers = list(map(int, pixels.split()))
                for start, length in zip(numbers[0::2], numbers[1::2], strict=True):
                    flat[start - 1 : start - 1 + length] = 1
                np.testing.assert_array_equal(masks[index], flat.reshape(width, height).T)
                category, _, attributes = class_id.partition("_")
                assert example["groundtruth_classes"][index] == int(category) + 1
                assert stored[image_id]["image/object/attributes"][index].decode() == attributes
                num_masks += 1
                num_with_attributes += bool(attributes)
    assert (num_masks, num_with_attributes) == (509, 96)


def test_combined_counts(tmp_path):
    build_dataset(CombinedBuilder, STREET_DIR, tmp_path, PrepOptions(num_workers=2, max_side=300))
    prepared = open_prepared(tmp_path)
    report = json.loads((prepared.path / "prep_report.json").read_text())
    sources = {source["name"]: source for source in report["sources"]}
    assert sources["modanet: train json"]["annotations"]["kept"] == 2023
    fgvc6 = sources["fgvc6: train.csv"]["annotations"]
    # 11 tights, 3 watches, 2 socks and a glove: 17 of 509.
    assert (fgvc6["kept"], fgvc6["dropped"]["category_left_out"]["count"]) == (492, 17)
    by_source = report["splits"]["train"]["by_source"]
    assert by_source["modanet: train json"]["num_examples"] == 340
    assert by_source["fgvc6: train.csv"]["num_examples"] == 76
    assert report["splits"]["val"]["num_examples"] == 66
    assert report["splits"]["challenge"]["num_examples"] == 10
    assert prepared.category_names == (
        *("bag", "belt", "boots", "footwear", "outer", "dress", "sunglasses", "pants", "top"),
        *("shorts", "skirt", "headwear", "scarf/tie"),
    )
