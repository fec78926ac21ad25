"""Damaged files of annotation tools: converted, or refused by a ValueError that names the file."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.convert.run import ConversionOptions, convert
from tests.data_prep.convert import drawn_labels
from tests.data_prep.convert.write_tool_files import FILES_DIR
from tests.fuzz.damage import FUZZ, damaged_bytes, damaged_json

pytestmark = pytest.mark.slow

JSONS = {
    "label_studio": ("label_studio_sdk_2.1.2.json", "label_studio_converter_0.0.59.json"),
    "labelme": ("labelme_6.3.1.json",),
    "coco": ("datumaro_1.13.12_coco.json", "supervision_0.31.2_coco.json"),
}
CASES = [(source, name) for source, names in JSONS.items() for name in names]
CVAT = (FILES_DIR / "datumaro_1.13.12.xml").read_bytes()
ATTRIBUTE_VALUES = (b"", b"-1", b"x", b"nan", b"1e400", b"9" * 30, b"1,2", b"1;2", b"inf,0;1,1;2,2")


def convert_or_refuse(source, path):
    out = path.with_name("converted.json")
    out.unlink(missing_ok=True)
    try:
        convert(source, path, "coco", out, ConversionOptions())
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
