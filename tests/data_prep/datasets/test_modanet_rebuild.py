import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from data_prep.build.splits import SplitPlan
from data_prep.prepared import open_prepared
from tests.data_prep.built_modanet import VERSION, build, tally
from tests.data_prep.decoded import decode
from tests.data_prep.raw_modanet import many_photos

pytestmark = pytest.mark.slow


def contents(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def test_build_is_the_same_whatever_the_number_of_workers(raw_dir, data_dir, tmp_path):
    build(raw_dir, tmp_path, num_workers=2)
    assert contents(tmp_path / "modanet" / VERSION) == contents(data_dir / "modanet" / VERSION)


def test_a_build_leaves_no_temporary_files(raw_dir, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    build(raw_dir, tmp_path)
    assert not list((tmp_path / "scratch").iterdir())


def test_build_is_the_same_by_way_of_temporary_files(raw_dir, data_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("data_prep.build.tfds_compat._SHUFFLE_BUFFER_BYTES", 0)
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
        "(e.g. 204, 0000204.jpg); not in photos table: 1 (e.g. 205, 0000205.jpg); photo missing: "
        "1 (e.g. 201, 0000201.jpg: is not there); check the raw files or raise --max_bad_percent."
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
