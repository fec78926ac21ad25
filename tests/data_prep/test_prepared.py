import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep.prepared import open_prepared

REPO_DIR = Path(__file__).resolve().parents[2]


def write_prepared(path, name="modanet", shards=2):
    """A prepared data set as the build leaves it, with empty shards."""
    path.mkdir(parents=True)
    info = {
        "name": name,
        "splits": [
            {"name": "train", "shardLengths": [str(10 + i) for i in range(shards)]},
            {"name": "val", "shardLengths": ["4"]},
        ],
    }
    report = {
        "category_names": ["bag", "belt"],
        "splits": {"train": {"max_num_instances": 3}, "val": {"max_num_instances": 8}},
        "fingerprint": "abc",
    }
    (path / "dataset_info.json").write_text(json.dumps(info))
    (path / "prep_report.json").write_text(json.dumps(report))
    for split, num_shards in (("train", shards), ("val", 1)):
        (path / f"instances_{split}.json").write_text("{}")
        for index in range(num_shards):
            (path / f"{name}-{split}.tfrecord-{index:05d}-of-{num_shards:05d}").touch()
    return path


@pytest.mark.parametrize("below", ["", "modanet", "modanet/1.0.0"])
def test_open_prepared_finds_the_version_below(tmp_path, below):
    path = write_prepared(tmp_path / "modanet" / "1.0.0")
    prepared = open_prepared(tmp_path / below)
    assert prepared.path == path
    assert prepared.name == "modanet"
    assert prepared.category_names == ("bag", "belt")
    assert prepared.splits == ("train", "val")
    assert prepared.num_examples("train") == 21
    assert prepared.num_examples("val") == 4
    assert prepared.record_paths("train") == [
        f"{path}/modanet-train.tfrecord-00000-of-00002",
        f"{path}/modanet-train.tfrecord-00001-of-00002",
    ]
    assert prepared.ground_truth_path("val") == path / "instances_val.json"
    assert prepared.max_num_instances == 8
    assert prepared.fingerprint == "abc"


def test_open_prepared_of_an_unknown_split(tmp_path):
    write_prepared(tmp_path / "modanet" / "1.0.0")
    prepared = open_prepared(tmp_path)
    for method in (prepared.num_examples, prepared.record_paths, prepared.ground_truth_path):
        with pytest.raises(ValueError, match="no split 'test' or it is empty.*train, val"):
            method("test")


def test_open_prepared_chooses_by_name(tmp_path):
    write_prepared(tmp_path / "modanet" / "1.0.0")
    write_prepared(tmp_path / "fgvc6" / "1.0.0", name="fgvc6")
    assert open_prepared(tmp_path, "fgvc6").name == "fgvc6"
    with pytest.raises(ValueError, match=r"several .* \(fgvc6/1.0.0, modanet.*--dataset=NAME"):
        open_prepared(tmp_path)
    with pytest.raises(ValueError, match="no prepared data set 'product' here"):
        open_prepared(tmp_path, "product")


def test_open_prepared_of_two_versions_asks_for_the_folder(tmp_path):
    write_prepared(tmp_path / "modanet" / "1.0.0")
    write_prepared(tmp_path / "modanet" / "1.1.0")
    with pytest.raises(ValueError, match=r"1.0.0, modanet/1.1.0\); give the folder of one of them"):
        open_prepared(tmp_path, "modanet")


def test_open_prepared_missing_or_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        open_prepared(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no prepared data set here"):
        open_prepared(tmp_path)


@pytest.mark.parametrize("below", ["", "modanet", "modanet/incomplete.X_1.0.0"])
def test_open_prepared_refuses_an_incomplete_one(tmp_path, below):
    write_prepared(tmp_path / "modanet" / "incomplete.X_1.0.0")
    with pytest.raises(ValueError, match="is incomplete: its build has not ended"):
        open_prepared(tmp_path / below)


def test_open_prepared_ignores_what_is_being_built_aside(tmp_path):
    path = write_prepared(tmp_path / "modanet" / "1.0.0")
    shutil.copytree(tmp_path / "modanet", tmp_path / ".overwrite" / "modanet")
    assert open_prepared(tmp_path).path == path


@pytest.mark.parametrize(
    "name",
    ["prep_report.json", "instances_val.json", "modanet-train.tfrecord-00001-of-00002"],
)
def test_open_prepared_refuses_one_with_a_file_missing(tmp_path, name):
    path = write_prepared(tmp_path / "modanet" / "1.0.0")
    (path / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: .*--overwrite"):
        open_prepared(tmp_path)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("prep_report.json", '"bag"', "null"),
        ("dataset_info.json", '"shardLengths": ["', '"shardLengths": ["-'),
        ("dataset_info.json", '"name": "modanet"', f'"name": {10**300}'),
        ("dataset_info.json", '"name": "modanet"', f'"name": "{"m" * 300}"'),
    ],
)
def test_open_prepared_refuses_facts_that_cannot_be(tmp_path, name, old, new):
    path = write_prepared(tmp_path / "modanet" / "1.0.0")
    text = (path / name).read_text()
    assert old in text
    (path / name).write_text(text.replace(old, new, 1))
    with pytest.raises(ValueError, match="prep_report.json is damaged.*--overwrite"):
        open_prepared(tmp_path)


@pytest.mark.parametrize("contents", ["{", "{}", "[]", '{"splits": 3}'])
def test_open_prepared_refuses_a_damaged_report(tmp_path, contents):
    path = write_prepared(tmp_path / "modanet" / "1.0.0")
    (path / "prep_report.json").write_text(contents)
    with pytest.raises(ValueError, match="prep_report.json.*--overwrite"):
        open_prepared(tmp_path)


def test_prepared_imports_no_tensorflow():
    program = "import sys, data_prep.prepared; print([m for m in sys.modules if 'tensorflow' in m])"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=REPO_DIR, capture_output=True, text=True, check=True
    )
    assert result.stdout == "[]\n"
