import json

import numpy as np
import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.fashionpedia.fashionpedia_dataset_builder import Builder, find_parts
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features
from tests.data_prep.raw_modanet import draw_jpeg

CATEGORIES = [{"id": 0, "name": "shirt, blouse"}, {"id": 31, "name": "sleeve"}]
ATTRIBUTES = [{"id": 4, "name": "classic (t-shirt)"}, {"id": 115, "name": "symmetrical"}]
SLEEVE = {"size": [30, 40], "counts": [300, 30, 870]}


@pytest.fixture
def raw_dir(tmp_path):
    for split, folder, image_id in (("train", "train", 7), ("val", "test", 7)):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        (tmp_path / "raw" / folder / f"{split}.jpg").write_bytes(draw_jpeg(40, 30))
        shirt = {"id": 1, "image_id": image_id, "category_id": 0, "iscrowd": 0}
        shirt |= {"segmentation": [[2, 2, 20, 2, 20, 20, 2, 20]], "attribute_ids": [115, 4]}
        sleeve = {"id": 2, "image_id": image_id, "category_id": 31, "segmentation": SLEEVE}
        image = {"id": image_id, "file_name": f"{split}.jpg", "width": 40, "height": 30}
        contents = {
            "images": [image],
            "annotations": [shirt, {**sleeve, "attribute_ids": []}],
            "categories": CATEGORIES,
            "attributes": ATTRIBUTES,
        }
        path = tmp_path / "raw" / f"instances_attributes_{split}2020.json"
        path.write_text(json.dumps(contents))
    return tmp_path / "raw"


def test_its_splits_attributes_and_categories_are_kept(raw_dir, tmp_path):
    build_dataset(Builder, raw_dir, tmp_path / "prepared", PrepOptions(num_workers=1))

    prepared = open_prepared(tmp_path / "prepared")
    assert prepared.category_names == ("shirt, blouse", "sleeve")
    (train,) = decode(tmp_path / "prepared", "train").values()
    (val,) = features(tmp_path / "prepared", "val").values()
    assert train["groundtruth_classes"].tolist() == [1, 2]
    assert np.count_nonzero(train["groundtruth_instance_masks"][1]) == 30
    assert val["image/filename"] == [b"val.jpg"]
    assert val["image/object/attributes"] == [b"4_115", b"none"]
    truth = json.loads(prepared.ground_truth_path("val").read_text())
    assert truth["attributes"] == ATTRIBUTES
    assert [a.get("attribute_ids") for a in truth["annotations"]] == [[4, 115], []]
    assert prepared.attribute_names == {4: "classic (t-shirt)", 115: "symmetrical"}
    assert prepared.category_attributes == {1: (4, 115)}


def test_what_is_missing_is_named(raw_dir, tmp_path):
    (raw_dir / "test").rename(raw_dir / "elsewhere")
    with pytest.raises(ValueError, match=r"test: no such folder; unpack there the photos of inst"):
        find_parts(raw_dir)
    with pytest.raises(ValueError, match=r"instances_attributes_train2020\.json: no such file"):
        find_parts(tmp_path)
