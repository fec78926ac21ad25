import io
import json
import tracemalloc

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.fgvc6.fgvc6_dataset_builder import Builder
from data_prep.datasets.fgvc6.train_csv import TrainCsv
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode, features
from tests.data_prep.raw_fgvc6 import HEADER, RawFgvc6, box_mask, encoded_pixels, image_name
from tests.data_prep.raw_modanet import draw_jpeg

ONE_SPLIT = SplitPlan(val_percent=0)
FIRST = 8_388_608  # the first photo's id, 2^23


def build(raw, tmp_path, **options):
    raw_dir = raw.write(tmp_path / "raw")
    options = {"split_plan": ONE_SPLIT, "num_workers": 1, **options}
    build_dataset(Builder, raw_dir, tmp_path / "prepared", PrepOptions(**options))
    return tmp_path / "prepared"


def report_of(data_dir):
    return json.loads((open_prepared(data_dir).path / "prep_report.json").read_text())


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.open(io.BytesIO(jpeg)).save(out, "JPEG", exif=exif.tobytes(), quality=95)
    return out.getvalue()


def test_build_keeps_masks_attributes_and_names(tmp_path):
    raw = RawFgvc6()
    name = raw.add_photo(2, size=(40, 30))
    shirt, pants = box_mask(30, 40, 5, 2, 20, 12), box_mask(30, 40, 6, 12, 19, 30)
    raw.add_mask(name, shirt, "0_30_20")
    raw.add_mask(name, pants, "1")
    raw.test_photos[image_name(9)] = draw_jpeg(20, 30)
    raw.test_photos[f"._{image_name(9)}"] = b"Mac OS X"  # no photo, and moves no id
    data_dir = build(raw, tmp_path)
    example = decode(data_dir, "train")[FIRST]
    assert example["groundtruth_classes"].tolist() == [1, 2]
    np.testing.assert_array_equal(example["groundtruth_instance_masks"], [shirt, pants])
    stored = features(data_dir, "train")[FIRST]
    assert stored["image/object/attributes"] == [b"20_30", b""]
    assert stored["image/filename"] == [b"00000000000000000000000000000002.jpg"]
    assert stored["image/encoded"] == [raw.photos[name]]
    assert stored["image/source"] == [b"train.csv"]
    truth = json.loads(open_prepared(data_dir).ground_truth_path("train").read_text())
    assert [a.get("attribute_ids") for a in truth["annotations"]] == [[20, 30], None]
    assert truth["attributes"][0] == {"id": 20, "name": "asymmetrical"}
    assert [c["name"] for c in truth["categories"]] == ["shirt, blouse", "pants", "sleeve"]
    challenge = decode(data_dir, "challenge")
    assert list(challenge) == [FIRST + 4_194_304]
    assert challenge[FIRST + 4_194_304]["groundtruth_classes"].tolist() == []


def test_tfds_load_knows_the_names(tmp_path):
    raw = RawFgvc6()
    raw.add_mask(raw.add_photo(1), box_mask(30, 40, 0, 0, 9, 9), "2")
    data_dir = build(raw, tmp_path)
    dataset, info = tfds.load("fgvc6", data_dir=data_dir, split="train", with_info=True)
    (example,) = tfds.as_numpy(dataset)
    assert example["image"]["object"]["class"]["label"].tolist() == [3]
    labels = info.features["image"]["object"]["class"]["label"].feature
    assert labels.names == ["background", "shirt, blouse", "pants", "sleeve"]


def test_build_resizes_masks_with_the_photo(tmp_path):
    raw = RawFgvc6()
    raw.add_mask(raw.add_photo(1, size=(80, 60)), box_mask(60, 80, 20, 10, 60, 50), "0")
    example = decode(build(raw, tmp_path, max_side=40), "train")[FIRST]
    expected = [box_mask(30, 40, 10, 5, 30, 25)]
    np.testing.assert_array_equal(example["groundtruth_instance_masks"], expected)


@pytest.mark.parametrize(
    ("annotated_hw", "size", "repair"),
    [
        ((30, 40), (40, 30), "photo_exif_rotation_removed"),
        ((40, 30), (30, 40), "photo_rotated_as_exif_says"),
    ],
)
def test_build_decides_the_orientation_by_height_and_width(tmp_path, annotated_hw, size, repair):
    raw = RawFgvc6()
    name = raw.add_photo(1, encoded=with_orientation(draw_jpeg(40, 30), 6))
    raw.add_mask(name, box_mask(*annotated_hw, 0, 0, 10, 10), "0")
    data_dir = build(raw, tmp_path)
    example = decode(data_dir, "train")[FIRST]
    assert (int(example["width"]), int(example["height"])) == size
    assert list(report_of(data_dir)["sources"][0]["repairs"]) == [repair]


def test_build_counts_rows_and_photos_it_cannot_use(tmp_path):
    raw = RawFgvc6()
    square = box_mask(30, 40, 0, 0, 10, 10)
    good = raw.add_photo(1)
    raw.add_mask(good, square, "0")  # line 2
    raw.add_mask(good, square, "0_20")  # line 3, the same mask again
    raw.add_mask(good, square, "7")  # line 4
    raw.rows += [
        f"{good},1 5,30,40",  # line 5, a column short
        f"{good},1 5,nan,40,0",
        f"{good},1 5,-30,40,0",
        f"{good},1 5,30,1e300,0",
        f"{good},1 5,30,40,0_x",
        f"{good},1 5 3,30,40,0",  # line 10
        ",1 5,30,40,0",
        "../../etc/passwd,1 5,30,40,0",
    ]
    other_size = raw.add_photo(2)
    raw.rows += [f"{other_size},1 5,30,40,0", f"{other_size},1 5,31,40,0"]  # lines 13 and 14
    raw.rows.append(f"{image_name(3)},1 5,30,40,0")  # line 15, no such photo
    raw.add_mask(raw.add_photo(4, size=(41, 30)), square, "0")  # line 16
    data_dir = build(raw, tmp_path, max_bad_percent=80)
    source = report_of(data_dir)["sources"][0]
    left_out = {r: e["example_files"] for r, e in source["photos"]["left_out"].items()}
    assert left_out == {
        "rows_differ_in_size": [image_name(2)],
        "photo_missing": [image_name(3), "passwd.jpg"],
        "photo_size_differs": [image_name(4)],
    }
    assert {r: e["example_ids"] for r, e in source["annotations"]["dropped"].items()} == {
        "malformed_row": [5, 6, 7, 8, 9, 11],
        "photo_left_out": [12, 13, 14, 15, 16],
        "duplicate_merged": [3],
        "malformed_rle": [10],
        "unknown_category": [4],
    }
    assert (source["annotations"]["in_raw"], source["annotations"]["kept"]) == (15, 1)
    assert features(data_dir, "train")[FIRST]["image/object/attributes"] == [b"20"]


def test_rows_of_a_photo_need_not_lie_together(tmp_path):
    raw = RawFgvc6()
    first, second = raw.add_photo(1), raw.add_photo(2)
    for name, x in ((second, 1), (first, 2), (second, 3)):
        raw.add_mask(name, box_mask(30, 40, x, 0, x + 5, 5), "0")
    decoded = decode(build(raw, tmp_path), "train")
    assert [len(decoded[FIRST + i]["groundtruth_classes"]) for i in (0, 1)] == [1, 2]


def test_an_image_id_without_an_ending_is_the_same_photo(tmp_path):
    raw = RawFgvc6()
    name = raw.add_photo(1)
    raw.add_mask(name, box_mask(30, 40, 0, 0, 9, 9), "0")
    raw.add_mask(name.removesuffix(".jpg"), box_mask(30, 40, 9, 9, 20, 20), "1")
    raw.test_photos[name] = draw_jpeg(20, 30)
    data_dir = build(raw, tmp_path)
    assert decode(data_dir, "train")[FIRST]["groundtruth_classes"].tolist() == [1, 2]
    test = report_of(data_dir)["sources"][1]
    assert list(test["photos"]["left_out"]) == ["also_in_train_csv"]


@pytest.mark.parametrize(
    "header", ["ImageId,EncodedPixels,Width,Heigth,ClassId", "ImageId,EncodedPixels", ""]
)
def test_other_columns_are_refused(tmp_path, header):
    raw = RawFgvc6(header=header)
    raw.add_mask(raw.add_photo(1), box_mask(30, 40, 0, 0, 9, 9), "2")
    with pytest.raises(ValueError, match=r"train\.csv: got the columns .*, expected ImageId, "):
        build(raw, tmp_path)


def test_a_column_that_is_there_twice_is_refused(tmp_path):
    raw = RawFgvc6(header="ImageId,EncodedPixels,Height,Width,ClassId,ClassId")
    raw.rows.append(f"{raw.add_photo(1)},1 5,30,40,2,1")
    with pytest.raises(ValueError, match=r"train\.csv: the column ClassId is there twice"):
        build(raw, tmp_path)


def test_utf_16_of_a_table_is_called_by_its_name(tmp_path):
    raw = RawFgvc6()
    raw.add_mask(raw.add_photo(1), box_mask(30, 40, 0, 0, 9, 9), "2")
    path = raw.write(tmp_path / "raw") / "train.csv"
    path.write_bytes(path.read_text().encode("utf-16"))
    with pytest.raises(ValueError, match="is UTF-16 text, expected UTF-8"):
        TrainCsv(path)


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("ImageId,ClassId,Height,Width,EncodedPixels", "{name},2_20,30,40,{pixels}"),
        ("ImageId;EncodedPixels;Height;Width;ClassId", "{name};{pixels};30;40;2_20"),
        (",ImageId,EncodedPixels,Height,Width,ClassId", "0,{name},{pixels},30.0,40.0,2_20"),
        (HEADER, "train/{name},{pixels},30,40,2_20"),
        (HEADER, "C:\\data\\train\\{name},{pixels},30,40,2_20"),
        (f"\ufeff{HEADER}", '"{name}","{pixels}","30","40","2_20"'),
        (f"{HEADER},AttributesIds", "{name},{pixels},30,40,2,20"),
        (f"{HEADER},AttributesIds", '{name},{pixels},30,40,2.0,"20"'),
    ],
)
def test_tables_that_other_tools_wrote_say_the_same(tmp_path, header, row):
    raw = RawFgvc6(header=header)
    name, mask = raw.add_photo(1), box_mask(30, 40, 5, 2, 20, 12)
    raw.rows.append(row.format(name=name, pixels=encoded_pixels(mask)))
    data_dir = build(raw, tmp_path)
    np.testing.assert_array_equal(
        decode(data_dir, "train")[FIRST]["groundtruth_instance_masks"], [mask]
    )
    stored = features(data_dir, "train")[FIRST]
    assert stored["image/object/class/label"] == [3]
    assert stored["image/object/attributes"] == [b"20"]


def test_a_short_row_before_the_images_column_is_counted(tmp_path):
    raw = RawFgvc6(header=",ImageId,EncodedPixels,Height,Width,ClassId")
    name, mask = raw.add_photo(1), box_mask(30, 40, 5, 2, 20, 12)
    raw.rows += [f"0,{name},{encoded_pixels(mask)},30,40,2", "1"]
    data_dir = build(raw, tmp_path, max_bad_percent=60)
    (source,) = report_of(data_dir)["sources"][:1]
    assert source["annotations"]["dropped"]["malformed_row"]["example_ids"] == [3]


def test_a_row_that_cannot_be_read_is_told_with_its_line_and_column(tmp_path):
    raw = RawFgvc6()
    raw.rows.append(f"{raw.add_photo(1)},1 5,30,40,0.5")
    with pytest.raises(ValueError, match=r"line 2: got the ClassId '0.5', expected such as 6"):
        build(raw, tmp_path)


def test_zeros_of_gigabytes_behind_the_rows_are_told_without_being_read(tmp_path):
    from data_prep.datasets.fgvc6.train_csv import TrainCsv

    path = tmp_path / "train.csv"
    path.write_text(f"{HEADER}\n{image_name(1)},1 5,30,40,2\n")
    with path.open("r+b") as file:
        file.truncate(3 * 2**30)  # takes no room on the disk
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"train.csv: line 3 has 268,435,456 bytes and more"):
        TrainCsv(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 2**30


def test_a_csv_without_rows_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"train\.csv: has no rows"):
        build(RawFgvc6(), tmp_path)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("{", "not valid json"),
        ("[]", "in 'categories'"),
        ('{"categories": [{"id": 1, "name": "a"}], "attributes": []}', "without a gap"),
        ('{"categories": [{"id": 0}], "attributes": []}', "in 'categories'"),
        ('{"categories": [{"id": 0, "name": "a"}]}', "in 'attributes'"),
        (
            '{"categories": [{"id": 0, "name": "a"}, {"id": 1, "name": "a"}], "attributes": []}',
            "twice",
        ),
    ],
)
def test_damaged_label_descriptions_are_refused(tmp_path, labels, problem):
    raw = RawFgvc6()
    raw.add_mask(raw.add_photo(1), box_mask(30, 40, 0, 0, 9, 9), "2")
    raw_dir = raw.write(tmp_path / "raw")
    (raw_dir / "label_descriptions.json").write_text(labels)
    with pytest.raises(ValueError, match=problem) as caught:
        build_dataset(Builder, raw_dir, tmp_path / "prepared", PrepOptions(num_workers=1))
    assert "label_descriptions.json" in str(caught.value)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"train\.csv: no such file"):
        build_dataset(Builder, tmp_path, tmp_path / "prepared", PrepOptions())


def test_a_folder_too_high_is_told_the_right_one(tmp_path):
    RawFgvc6().write(tmp_path / "raw" / "fgvc6")

    with pytest.raises(ValueError, match=r"fgvc6 has a train\.csv: is that the folder\?"):
        build_dataset(Builder, tmp_path / "raw", tmp_path / "prepared", PrepOptions())
