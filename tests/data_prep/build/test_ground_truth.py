import json

import pytest

from data_prep.build.ground_truth import GroundTruthWriter


def test_ground_truth_writer_counts_annotations_from_one(tmp_path):
    path = tmp_path / "instances_val.json"
    with GroundTruthWriter(path, ("bag", "belt"), {}) as truth:
        truth.add('{"id": 7}', ('"image_id": 7}', '"image_id": 7}'))
        truth.add('{"id": 9}', ())
        truth.add('{"id": 8}', ('"image_id": 8}',))
    assert json.loads(path.read_text()) == {
        "images": [{"id": 7}, {"id": 9}, {"id": 8}],
        "annotations": [
            {"id": 1, "image_id": 7},
            {"id": 2, "image_id": 7},
            {"id": 3, "image_id": 8},
        ],
        "categories": [{"id": 1, "name": "bag"}, {"id": 2, "name": "belt"}],
    }
    assert list(tmp_path.iterdir()) == [path]


def test_ground_truth_writer_names_the_attributes(tmp_path):
    path = tmp_path / "instances_val.json"
    with GroundTruthWriter(path, ("bag",), {20: "asymmetrical"}):
        pass
    assert json.loads(path.read_text())["attributes"] == [{"id": 20, "name": "asymmetrical"}]


def test_ground_truth_writer_of_nothing(tmp_path):
    path = tmp_path / "instances_val.json"
    with GroundTruthWriter(path, ("bag",), {}):
        pass
    assert json.loads(path.read_text())["annotations"] == []


def test_ground_truth_writer_leaves_no_readable_json_after_an_error(tmp_path):
    path = tmp_path / "instances_val.json"
    with pytest.raises(RuntimeError), GroundTruthWriter(path, ("bag",), {}) as truth:
        truth.add('{"id": 7}', ())
        raise RuntimeError
    with pytest.raises(ValueError):
        json.loads(path.read_text())
