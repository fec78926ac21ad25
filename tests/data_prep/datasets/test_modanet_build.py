import json

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from data_prep.prepared import open_prepared
from tests.data_prep.built_modanet import VERSION, tally
from tests.data_prep.decoded import decode


def test_splits_keep_posts_together(data_dir):
    prepared = open_prepared(data_dir)
    assert prepared.splits == ("train", "val", "challenge")
    assert sorted(decode(data_dir, "val")) == [102, 103]
    assert sorted(decode(data_dir, "train")) == [101, 104, *range(105, 118)]
    assert sorted(decode(data_dir, "challenge")) == [301]
    assert [prepared.num_examples(split) for split in prepared.splits] == [15, 2, 1]


def test_records_of_an_image_with_several_instances(data_dir, raw_dir):
    example = decode(data_dir, "train")[101]
    assert (example["height"], example["width"]) == (30, 40)
    assert example["image"].shape == (30, 40, 3)
    assert example["groundtruth_classes"].tolist() == [1, 4, 4]
    assert example["groundtruth_area"].tolist() == [200, 24, 24]
    assert example["groundtruth_is_crowd"].tolist() == [False, False, False]
    # ymin, xmin, ymax, xmax over 30 and 40 pixels; the shoes' boxes are their own.
    np.testing.assert_allclose(
        example["groundtruth_boxes"],
        [[0.2, 0.1, 16 / 30, 0.6], [20 / 30, 0.05, 0.8, 0.2], [0.7, 0.75, 25 / 30, 0.9]],
        rtol=1e-6,
    )
    expected = np.zeros((3, 30, 40))
    expected[0, 6:16, 4:24] = 1
    expected[1, 20:24, 2:8] = 1
    expected[2, 21:25, 30:36] = 1
    np.testing.assert_array_equal(example["groundtruth_instance_masks"], expected)


def test_records_of_a_clipped_instance_in_parts(data_dir):
    example = decode(data_dir, "val")[102]
    assert example["groundtruth_classes"].tolist() == [13, 6]
    expected = np.zeros((40, 30))
    expected[0:5, 0:5] = expected[30:40, 20:25] = 1
    np.testing.assert_array_equal(example["groundtruth_instance_masks"][0], expected)
    np.testing.assert_allclose(example["groundtruth_boxes"][0], [0, 0, 1, 25 / 30], rtol=1e-6)


def test_records_of_an_image_without_instances(data_dir):
    example = decode(data_dir, "challenge")[301]
    assert example["groundtruth_classes"].shape == (0,)
    assert example["groundtruth_boxes"].shape == (0, 4)
    assert example["groundtruth_instance_masks"].shape == (0, 30, 40)


def test_record_keys_and_plain_values(data_dir, raw_dir):
    paths = open_prepared(data_dir).record_paths("val")
    records = (tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(paths))
    features = [record.features.feature for record in records]
    (photo_103,) = (f for f in features if f["image/source_id"].bytes_list.value == [b"103"])
    assert sorted(photo_103) == [
        "image/encoded",
        "image/filename",
        "image/height",
        "image/object/area",
        "image/object/attributes",
        "image/object/bbox/xmax",
        "image/object/bbox/xmin",
        "image/object/bbox/ymax",
        "image/object/bbox/ymin",
        "image/object/class/label",
        "image/object/class/text",
        "image/object/is_crowd",
        "image/object/mask",
        "image/source",
        "image/source_id",
        "image/width",
    ]
    assert photo_103["image/filename"].bytes_list.value == [b"0000103.jpg"]
    assert photo_103["image/object/class/text"].bytes_list.value == [b"top"]
    assert photo_103["image/object/class/label"].int64_list.value == [9]
    raw_lmdb = (raw_dir / "paperdoll" / "photos.lmdb" / "data.mdb").read_bytes()
    assert photo_103["image/encoded"].bytes_list.value[0][-100:] in raw_lmdb


def test_ground_truth_says_what_the_records_say(data_dir):
    coco = COCO(open_prepared(data_dir).ground_truth_path("val"))
    assert coco.loadImgs([102]) == [
        {"id": 102, "width": 30, "height": 40, "file_name": "0000102.jpg"}
    ]
    scarf, dress, top = coco.loadAnns(coco.getAnnIds())
    assert scarf["bbox"] == [0, 0, 25, 40]
    assert scarf["area"] == 75
    assert {k: dress[k] for k in ("id", "image_id", "category_id", "bbox", "area", "iscrowd")} == {
        "id": 2,
        "image_id": 102,
        "category_id": 6,
        "bbox": [10, 10, 10, 20],
        "area": 200,
        "iscrowd": 0,
    }
    assert top["segmentation"]["size"] == [20, 20]
    masks = decode(data_dir, "val")[103]["groundtruth_instance_masks"]
    np.testing.assert_array_equal(coco_mask.decode(top["segmentation"]), masks[0])
    assert [coco.cats[i]["name"] for i in (1, 6, 13)] == ["bag", "dress", "scarf/tie"]


def test_ground_truth_of_a_split_without_annotations(data_dir):
    truth = json.loads(open_prepared(data_dir).ground_truth_path("challenge").read_text())
    assert [image["id"] for image in truth["images"]] == [301]
    assert truth["annotations"] == []


def test_report_counts_everything(data_dir):
    report = json.loads((data_dir / "modanet" / VERSION / "prep_report.json").read_text())
    train, challenge = report["sources"]
    assert train["photos"] == {
        "in_raw": 22,
        "kept": 17,
        "left_out": {
            "no_annotations": tally(204, files=["0000204.jpg"]),
            "not_in_photos_table": tally(205, files=["0000205.jpg"]),
            "photo_missing": tally(201, files=["0000201.jpg"]),
            "photo_height_and_width_swapped": tally(203, files=["0000203.jpg"]),
            "photo_unreadable": tally(202, files=["0000202.jpg"]),
        },
    }
    assert train["annotations"] == {
        "in_raw": 29,
        "kept": 20,
        "dropped": {
            "photo_left_out": tally(
                20,
                21,
                22,
                23,
                24,
                files=["0000201.jpg", "0000201.jpg", "0000202.jpg", "0000203.jpg", "0000205.jpg"],
            ),
            "duplicate_merged": tally(6, files=["0000102.jpg"]),
            "image_not_in_json": tally(25, files=[""]),
            "no_polygon_of_3_points": tally(8, files=["0000103.jpg"]),
            "unknown_category": tally(9, files=["0000103.jpg"]),
        },
    }
    assert train["repairs"] == {
        "box_of_another_instance": tally(2, 3, files=["0000101.jpg", "0000101.jpg"]),
        "polygon_under_3_points": tally(4, files=["0000102.jpg"]),
        "clipped_to_photo": tally(4, files=["0000102.jpg"]),
    }
    assert challenge["photos"] == {
        "in_raw": 2,
        "kept": 1,
        "left_out": {"photo_missing": tally(302, files=["0000302.jpg"])},
    }
    assert report["splits"]["val"]["num_instances"] == 3
    assert report["splits"]["val"]["max_num_instances"] == 2
    assert report["splits"]["val"]["instances_by_category"]["dress"] == 1


def test_only_shards_have_tfrecord_in_their_names(data_dir):
    files = {path.name for path in data_dir.rglob("*") if path.is_file()}
    assert {name for name in files if "tfrecord" in name} == {
        "modanet-train.tfrecord-00000-of-00001",
        "modanet-val.tfrecord-00000-of-00001",
        "modanet-challenge.tfrecord-00000-of-00001",
    }


def test_tfds_load_reads_it_back(data_dir):
    dataset = tfds.load("modanet", data_dir=data_dir, split="train", download=False)
    examples = {e["image"]["source_id"].decode(): e["image"] for e in tfds.as_numpy(dataset)}
    assert len(examples) == 15
    assert examples["101"]["encoded"].shape == (30, 40, 3)
    assert examples["101"]["object"]["mask"].shape == (3, 30, 40, 1)
    assert int(examples["101"]["object"]["mask"][1].sum()) == 24
    assert examples["101"]["object"]["class"]["label"].tolist() == [1, 4, 4]
