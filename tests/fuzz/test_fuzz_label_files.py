"""Damaged files of annotation tools: converted, or refused by a ValueError that names the file."""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.convert.run import ConversionOptions, convert
from data_prep.prepared import open_prepared
from tests.data_prep.convert import drawn_labels
from tests.data_prep.convert.write_tool_files import FILES_DIR
from tests.fuzz.damage import FUZZ, damaged_bytes, damaged_json
from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow

JSONS = {
    "label_studio": ("label_studio_sdk_2.1.2.json", "label_studio_converter_0.0.59.json"),
    "labelme": ("labelme_6.3.1.json",),
    "coco": (
        "datumaro_1.13.12_coco.json",
        "supervision_0.31.2_coco.json",
        "fiftyone_1.22.1_coco.json",
    ),
}
CASES = [(source, name) for source, names in JSONS.items() for name in names]
CVAT = (FILES_DIR / "datumaro_1.13.12.xml").read_bytes()
ATTRIBUTE_VALUES = (b"", b"-1", b"x", b"nan", b"1e400", b"9" * 30, b"1,2", b"1;2", b"inf,0;1,1;2,2")


def convert_or_refuse(source, path):
    out = path.with_name("converted.json")
    out.unlink(missing_ok=True)
    try:
        convert(source, path, "coco", out, ConversionOptions(max_bad_percent=100))
    except ValueError as error:
        assert path.name in str(error) or "red one" in str(error)
        assert not out.exists()
    else:
        drawn_labels.coco_masks(out)  # pycocotools reads and draws all of it


@pytest.mark.parametrize(("source", "name"), CASES)
@FUZZ
@given(drawn=st.data())
def test_json(tmp_path_factory, source, name, drawn):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    whole = json.loads((FILES_DIR / name).read_text())
    path.write_text(json.dumps(drawn.draw(damaged_json(whole))))
    convert_or_refuse(source, path)


@FUZZ
@given(content=damaged_bytes(CVAT))
def test_bytes_of_cvat_xml(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.xml"
    path.write_bytes(content)
    convert_or_refuse("cvat_xml", path)


@FUZZ
@given(drawn=st.data())
def test_attributes_of_cvat_xml(tmp_path_factory, drawn):
    pieces = CVAT.split(b'"')  # every second one is an attribute's value
    index = drawn.draw(st.integers(0, len(pieces) // 2 - 1)) * 2 + 1
    pieces[index] = drawn.draw(st.sampled_from(ATTRIBUTE_VALUES))
    path = tmp_path_factory.getbasetemp() / "fuzzed.xml"
    path.write_bytes(b'"'.join(pieces))
    convert_or_refuse("cvat_xml", path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The drawn garments as YOLO's and labelme's folders."""
    root = tmp_path_factory.mktemp("drawn")
    photos_dir = drawn_labels.write_photos(root / "photos")
    source = drawn_labels.write_coco(root / "source.json", ("bag",))
    for target in ("yolo_seg", "labelme"):
        convert(
            "coco", source, target, root / target, ConversionOptions(photos_dir, copies_photos=True)
        )
    return root


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("yolo_seg", "data.yaml"),
        ("yolo_seg", "labels/dress/red one.txt"),
        ("yolo_seg", "images/top/b.jpg"),
        ("labelme", "dress/red one.json"),
        ("labelme", "top/b.jpg"),
    ],
)
@FUZZ
@given(drawn=st.data())
def test_a_file_of_a_folder(folders, tmp_path_factory, source, name, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(folders / source, folder)
    (folder / name).write_bytes(drawn.draw(damaged_bytes((folder / name).read_bytes())))
    out = folder.with_name("converted.json")
    out.unlink(missing_ok=True)
    try:
        convert(source, folder, "coco", out, ConversionOptions())
    except ValueError as error:
        assert str(folder) in str(error) or Path(name).stem in str(error)
        assert not out.exists()
    else:
        drawn_labels.coco_masks(out)


WORDS = ("-1", "nan", "inf", "1e400", "9" * 30, "x", "", "\n", "\ufeff", "0.5 0.5")


@FUZZ
@given(drawn=st.data())
def test_numbers_of_a_yolo_txt(folders, tmp_path_factory, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(folders / "yolo_seg", folder)
    path = folder / "labels/dress/red one.txt"
    words = path.read_text().split(" ")
    for _ in range(drawn.draw(st.integers(1, 3))):
        index = drawn.draw(st.integers(0, len(words) - 1))
        words[index] = drawn.draw(st.sampled_from(WORDS))
    path.write_text(" ".join(words))
    out = folder.with_name("converted.json")
    out.unlink(missing_ok=True)
    try:
        convert("yolo_seg", folder, "coco", out, ConversionOptions())
    except ValueError as error:
        assert "red one" in str(error)
        assert not out.exists()
    else:
        drawn_labels.coco_masks(out)


@pytest.mark.parametrize("target", ["label_studio", "cvat_xml"])
@FUZZ
@given(drawn=st.data())
def test_what_is_converted_from_a_damaged_coco_json_is_read_back(tmp_path_factory, target, drawn):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    whole = json.loads((FILES_DIR / "datumaro_1.13.12_coco.json").read_text())
    path.write_text(json.dumps(drawn.draw(damaged_json(whole))))
    there, back = (path.with_name(f"{name}.out") for name in ("there", "back"))
    for out in (there, back):
        out.unlink(missing_ok=True)
    try:
        report = convert("coco", path, target, there, ConversionOptions())
    except ValueError:
        return
    if not report.num_garments:
        return  # Label Studio has a photo's size beside its garments alone
    convert(target, there, "coco", back, ConversionOptions())
    read_back = sum(map(len, drawn_labels.coco_masks(back).values()))
    assert report.num_garments >= read_back >= report.num_garments - sum(report.noted.values())


REPORT = {
    "fingerprint": "abc",
    "category_names": ["bag", "top"],
    "splits": {"train": {"max_num_instances": 2, "max_num_ignored": 1}},
    "attribute_names": {"0": "red", "1": "long"},
    "category_attributes": {"1": [0], "2": [0, 1]},
}
INFO = {"name": "drawn", "splits": [{"name": "train", "shardLengths": ["6", "6"]}]}


@pytest.mark.parametrize("name", ["prep_report.json", "dataset_info.json"])
@FUZZ
@given(drawn=st.data())
def test_facts_of_a_prepared_data_set(tmp_path_factory, name, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed_prepared" / "drawn" / "1.0.0"
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"prep_report.json": REPORT, "dataset_info.json": INFO}
    contents[name] = drawn.draw(damaged_json(contents[name]))
    for file_name, content in contents.items():
        (folder / file_name).write_text(json.dumps(content))
    for path in (
        *small_experiment.open_written(folder).record_paths("train"),
        "instances_train.json",
    ):
        (folder / path).touch()
    try:
        prepared = open_prepared(folder)
    except ValueError as error:
        assert "fuzzed_prepared" in str(error)
        return
    assert all(isinstance(one, str) for one in prepared.category_names)
    assert all(isinstance(number, int) for number in prepared.attribute_names)
    for split in prepared.splits:
        assert prepared.num_examples(split) >= 0
