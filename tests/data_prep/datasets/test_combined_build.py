import json

import numpy as np
import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.combined.combined_dataset_builder import Builder
from data_prep.prepared import category_map, open_prepared
from tests.data_prep.datasets.raw_ccp import RawCcp
from tests.data_prep.decoded import decode, features
from tests.data_prep.raw_fgvc6 import RawFgvc6, box_mask
from tests.data_prep.raw_modanet import many_photos
from tests.data_prep.raw_product import write_product


def write_fgvc6(raw_dir, **more):
    raw = RawFgvc6(**more)
    name = raw.add_photo(1)
    raw.add_mask(name, box_mask(30, 40, 0, 0, 9, 9), "0_20")
    raw.add_mask(name, box_mask(30, 40, 9, 9, 19, 19), "2")  # a sleeve
    sleeves = raw.add_photo(2)
    raw.add_mask(sleeves, box_mask(30, 40, 9, 9, 19, 19), "2")
    return raw.write(raw_dir)


@pytest.fixture
def raw_dir(tmp_path):
    raw_dir = many_photos(3).write(tmp_path / "raw")
    write_fgvc6(raw_dir / "fgvc6")
    write_product(raw_dir / "product", ["bag/1", "mug/1"])
    return raw_dir


def build(raw_dir, tmp_path, **raw_paths):
    plan = SplitPlan(val_percent=0)
    options = PrepOptions(split_plan=plan, num_workers=1, raw_paths=raw_paths)
    build_dataset(Builder, raw_dir, tmp_path / "prepared", options)
    return tmp_path / "prepared"


def test_all_sets_are_one_in_modanets_categories(raw_dir, tmp_path):
    data_dir = build(raw_dir, tmp_path)
    decoded = decode(data_dir, "train")
    assert {i: e["groundtruth_classes"].tolist() for i, e in decoded.items()} == {
        1: [6],
        2: [6],
        3: [6],
        8_388_608: [9],  # a shirt is a top
        14_680_064: [1],
    }
    np.testing.assert_array_equal(
        decoded[8_388_608]["groundtruth_instance_masks"], [box_mask(30, 40, 0, 0, 9, 9)]
    )
    sources = {i: f["image/source"][0] for i, f in features(data_dir, "train").items()}
    assert sources == {
        1: b"modanet: train json",
        2: b"modanet: train json",
        3: b"modanet: train json",
        8_388_608: b"fgvc6: train.csv",
        14_680_064: b"product: photos/ and truth/",
    }


def test_what_the_map_leaves_out_is_counted_by_source(raw_dir, tmp_path):
    path = open_prepared(build(raw_dir, tmp_path)).path
    report = json.loads((path / "prep_report.json").read_text())
    sources = {source["name"]: source for source in report["sources"]}
    fgvc6 = sources["fgvc6: train.csv"]["annotations"]["dropped"]
    assert fgvc6["category_left_out"]["example_ids"] == [3, 4]
    product = sources["product: photos/ and truth/"]["photos"]["left_out"]
    assert product["all_annotations_left_out_on_purpose"]["example_files"] == ["mug/1.jpg"]
    by_source = report["splits"]["train"]["by_source"]
    assert {name: counts["num_instances"] for name, counts in by_source.items()} == {
        "modanet: train json": 3,
        "fgvc6: train.csv": 1,
        "product: photos/ and truth/": 1,
    }
    assert by_source["fgvc6: train.csv"]["instances_by_category"]["top"] == 1


def test_the_sets_may_lie_elsewhere_and_product_photos_be_missing(tmp_path):
    raw_dir = many_photos(3).write(tmp_path / "raw")
    fgvc6_dir = write_fgvc6(tmp_path / "elsewhere")
    data_dir = build(raw_dir, tmp_path, fgvc6_dir=fgvc6_dir)
    assert sorted(decode(data_dir, "train")) == [1, 2, 3, 8_388_608]


def test_the_sets_that_are_there_are_taken(tmp_path):
    raw_dir = tmp_path / "raw"
    ccp = RawCcp(raw_dir / "ccp")
    for number in (1, 2):
        ccp.add_photo(number)
    labels = np.zeros((60, 40), np.uint8)
    labels[10:40, 5:30] = 5  # a t-shirt
    ccp.label(1, labels)
    write_product(raw_dir / "product", ["t-shirt/1", "bag/1"])

    data_dir = build(raw_dir, tmp_path)

    decoded = decode(data_dir, "train")
    assert {i: e["groundtruth_classes"].tolist() for i, e in decoded.items()} == {
        13_631_489: [9],
        14_680_064: [1],
        14_680_065: [9],
    }
    assert list(decode(data_dir, "unlabelled")) == [13_631_490]


def test_a_folder_without_any_of_the_sets_is_refused(tmp_path):
    (tmp_path / "raw" / "photos").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"raw: holds none of the data sets; expected at least"):
        build(tmp_path / "raw", tmp_path)


def test_a_set_of_which_a_file_is_missing_is_refused(raw_dir, tmp_path):
    (raw_dir / "paperdoll" / "photos.lmdb" / "data.mdb").unlink()
    with pytest.raises(ValueError, match=r"photos\.lmdb"):
        build(raw_dir, tmp_path)


def test_a_category_the_map_does_not_know_is_refused(tmp_path):
    raw_dir = many_photos(3).write(tmp_path / "raw")
    write_fgvc6(raw_dir / "fgvc6", categories=("shirt, blouse", "pants", "spats"))
    with pytest.raises(ValueError, match=r"got the category 'spats', which .*category_map\.csv"):
        build(raw_dir, tmp_path)


def test_category_map_names_all_of_fgvc6_and_only_modanet():
    mapped = category_map()
    assert len(mapped) == 46
    assert {name for name in mapped.values() if name} == {
        *("bag", "belt", "footwear", "outer", "dress", "sunglasses", "pants", "top", "shorts"),
        *("skirt", "headwear", "scarf/tie"),
    }
    assert (mapped["shirt, blouse"], mapped["tie"], mapped["zipper"]) == ("top", "scarf/tie", None)
