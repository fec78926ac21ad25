import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from data_prep.build_dataset import build_dataset
from data_prep.modanet.modanet_dataset_builder import Builder
from data_prep.preparation import PrepOptions
from data_prep.prepared import open_prepared
from data_prep.splits import SplitPlan
from tests.data_prep.decoded import decode
from tests.data_prep.raw_modanet import many_photos

# A quarter of the fixture's photos are damaged on purpose.
OPTIONS = PrepOptions(max_bad_percent=30, num_workers=1)
VERSION = "1.0.0"


def build(raw_dir, data_dir, overwrite=False, **options):
    options = PrepOptions(**{"max_bad_percent": 30, "num_workers": 1, **options})
    return build_dataset(Builder, raw_dir, data_dir, options, overwrite)


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


@pytest.fixture(scope="module")
def data_dir(raw_dir, tmp_path_factory) -> Path:
    data_dir = tmp_path_factory.mktemp("prepared")
    build(raw_dir, data_dir)
    return data_dir


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


def tally(*ids, files):
    return {"count": len(ids), "example_ids": list(ids), "example_files": files}


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
            "photo_size_differs": tally(203, files=["0000203.jpg"]),
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


def test_build_is_the_same_whatever_the_number_of_workers(raw_dir, data_dir, tmp_path):
    build(raw_dir, tmp_path, num_workers=2)
    assert contents(tmp_path / "modanet" / VERSION) == contents(data_dir / "modanet" / VERSION)


def test_build_is_the_same_by_way_of_temporary_files(raw_dir, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.builder._SHUFFLE_BUFFER_BYTES", 0)
    build(raw_dir, tmp_path)
    assert contents(tmp_path / "modanet" / VERSION) == contents(data_dir / "modanet" / VERSION)


def test_num_shards_spreads_the_same_examples(raw_dir, data_dir, tmp_path):
    build(raw_dir, tmp_path, num_shards=3)
    spread, whole = open_prepared(tmp_path), open_prepared(data_dir)
    assert [Path(path).name for path in spread.record_paths("train")] == [
        "modanet-train.tfrecord-00000-of-00003",
        "modanet-train.tfrecord-00001-of-00003",
        "modanet-train.tfrecord-00002-of-00003",
    ]
    assert sorted(decode(tmp_path, "train")) == sorted(decode(data_dir, "train"))
    assert spread.fingerprint == whole.fingerprint


def test_build_again_finds_it_complete(raw_dir, data_dir):
    path = data_dir / "modanet" / VERSION
    before = {p: p.stat().st_mtime_ns for p in path.iterdir()}
    assert build(raw_dir, data_dir) == (path, True)
    assert {p: p.stat().st_mtime_ns for p in path.iterdir()} == before


def test_build_again_with_another_limit_finds_it_complete(raw_dir, data_dir):
    path = data_dir / "modanet" / VERSION
    assert build(raw_dir, data_dir, max_bad_percent=40) == (path, True)


def test_build_again_with_other_options_refuses(raw_dir, data_dir):
    with pytest.raises(ValueError, match="--max_side was None, is 20.*--overwrite"):
        build(raw_dir, data_dir, max_side=20)
    with pytest.raises(ValueError, match="--val_percent was 15.0, is 20.0"):
        build(raw_dir, data_dir, split_plan=SplitPlan(20.0))


def test_build_again_from_changed_raw_files_refuses_then_overwrites(raw_dir, tmp_path):
    changed_raw_dir = tmp_path / "raw"
    shutil.copytree(raw_dir, changed_raw_dir)
    build(changed_raw_dir, tmp_path / "prepared", max_side=20)
    train_json = changed_raw_dir / "modanet/annotations/modanet2018_instances_train.json"
    os.utime(train_json, ns=(1, 1))
    with pytest.raises(ValueError, match="the raw files have changed"):
        build(changed_raw_dir, tmp_path / "prepared", max_side=20)

    path, was_complete = build(changed_raw_dir, tmp_path / "prepared", overwrite=True)

    assert not was_complete
    assert decode(tmp_path / "prepared", "train")[101]["image"].shape == (30, 40, 3)
    assert sorted(p.name for p in (tmp_path / "prepared").iterdir()) == [".modanet.lock", "modanet"]
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_overwrite_keeps_what_was_there(raw_dir, tmp_path):
    build(raw_dir, tmp_path)
    before = open_prepared(tmp_path).fingerprint
    with pytest.raises(ValueError, match="cannot be used"):
        build(raw_dir, tmp_path, overwrite=True, max_bad_percent=1)
    assert open_prepared(tmp_path).fingerprint == before


@pytest.mark.parametrize(
    ("damage", "expected_size"),
    [(None, (15, 20, 3)), ("instances_val.json", (30, 40, 3))],
    ids=["the new one is whole", "the new one is not"],
)
def test_an_overwrite_killed_while_it_replaces_loses_nothing(
    raw_dir, tmp_path, monkeypatch, damage, expected_size
):
    path, _ = build(raw_dir, tmp_path)
    renamed = Path.rename

    def rename_once(self, target):
        if target == path:  # the second of two: the old set has gone aside, the new one comes
            raise KeyboardInterrupt
        return renamed(self, target)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "rename", rename_once)
        build(raw_dir, tmp_path, overwrite=True, max_side=20)
    assert not path.exists()
    if damage:
        (tmp_path / ".overwrite" / "modanet" / VERSION / damage).unlink()

    max_side = None if damage else 20
    assert build(raw_dir, tmp_path, max_side=max_side) == (path, True)

    assert decode(tmp_path, "train")[101]["image"].shape == expected_size
    assert not (tmp_path / ".overwrite" / "modanet").exists()


def test_max_side_shrinks_photos_and_masks(raw_dir, tmp_path):
    build(raw_dir, tmp_path, max_side=20)
    example = decode(tmp_path, "train")[101]
    assert example["image"].shape == (15, 20, 3)
    expected = np.zeros((15, 20))
    expected[3:8, 2:12] = 1
    np.testing.assert_array_equal(example["groundtruth_instance_masks"][0], expected)
    assert example["groundtruth_area"][0] == 50


def test_too_many_bad_photos_stop_the_build(raw_dir, tmp_path):
    with pytest.raises(ValueError) as caught:
        build(raw_dir, tmp_path, max_bad_percent=15)
    assert str(caught.value) == (
        "train json: 4 of 22 photos cannot be used so far, more than 15 %; no annotations: 1 "
        "(e.g. 204, 0000204.jpg), not in photos table: 1 (e.g. 205, 0000205.jpg), photo missing: "
        "1 (e.g. 201, 0000201.jpg); check the raw files or raise --max_bad_percent."
    )
    with pytest.raises(ValueError, match="no prepared data set here"):
        open_prepared(tmp_path)


def test_an_empty_split_is_an_error(tmp_path):
    raw_dir = many_photos(1).write(tmp_path / "raw")
    with pytest.raises(ValueError, match="the split 'val' would be empty"):
        build(raw_dir, tmp_path / "prepared")
    assert not list((tmp_path / "prepared" / "modanet").glob("*"))


def test_folds_divide_the_photos(tmp_path):
    raw_dir = many_photos(9).write(tmp_path / "raw")
    build(raw_dir, tmp_path / "prepared", split_plan=SplitPlan(num_folds=3, fold=0))
    assert sorted(decode(tmp_path / "prepared", "val")) == [1, 2, 4, 8, 9]
    assert sorted(decode(tmp_path / "prepared", "train")) == [3, 5, 6, 7]


def test_a_left_over_folder_is_removed(raw_dir, tmp_path, capsys):
    leftover = tmp_path / "modanet" / f"incomplete.ABC123_{VERSION}"
    leftover.mkdir(parents=True)
    (leftover / "modanet-train.tfrecord-00000-of-00001").touch()
    build(raw_dir, tmp_path)
    assert not leftover.exists()
    assert str(leftover) in capsys.readouterr().out


def test_a_folder_of_something_else_is_not_touched(raw_dir, tmp_path):
    (tmp_path / "modanet" / VERSION).mkdir(parents=True)
    with pytest.raises(ValueError, match="was not made by this program or is damaged"):
        build(raw_dir, tmp_path)


def test_image_ids_beyond_float32_are_refused(tmp_path):
    raw = many_photos(3)
    raw.add_photo(16777216, post_id=50)
    with pytest.raises(ValueError, match="got image id 16777216, expected 0..16777215"):
        build(raw.write(tmp_path / "raw"), tmp_path / "prepared")


def test_categories_of_another_data_set_are_refused(tmp_path):
    raw_dir = many_photos(3).write(tmp_path / "raw")
    path = raw_dir / "modanet/annotations/modanet2018_instances_train.json"
    path.write_text(path.read_text().replace('"belt"', '"sock"'))
    with pytest.raises(ValueError, match="2: 'sock'.*expected ModaNet's"):
        build(raw_dir, tmp_path / "prepared")


@pytest.mark.parametrize(("split", "accepted"), [("val", True), ("train", False)])
def test_only_the_challenge_json_may_lack_annotations(tmp_path, split, accepted):
    raw = many_photos(9)
    raw.add_challenge_photo(301)
    raw_dir = raw.write(tmp_path / "raw")
    path = raw_dir / f"modanet/annotations/modanet2018_instances_{split}.json"
    contents = json.loads(path.read_text())
    del contents["annotations"]
    path.write_text(json.dumps(contents))
    if accepted:
        build(raw_dir, tmp_path / "prepared")
        assert sorted(decode(tmp_path / "prepared", "challenge")) == [301]
    else:
        with pytest.raises(ValueError, match=r"_train\.json: .*has no list 'annotations'"):
            build(raw_dir, tmp_path / "prepared")


def test_repeated_and_shared_images_are_used_once(tmp_path):
    raw = many_photos(9)
    raw.images.append(dict(raw.images[0]))
    raw.challenge_images.append(dict(raw.images[1]))
    build(raw.write(tmp_path / "raw"), tmp_path / "prepared")
    assert open_prepared(tmp_path / "prepared").splits == ("train", "val")
    report = json.loads(
        (tmp_path / "prepared" / "modanet" / VERSION / "prep_report.json").read_text()
    )
    train, challenge = report["sources"]
    assert train["photos"]["left_out"] == {"repeated_in_json": tally(1, files=["0000001.jpg"])}
    assert challenge["photos"]["left_out"] == {
        "also_in_train_json": tally(2, files=["0000002.jpg"])
    }
