import json

import pytest

from data_prep.readers import json_streaming
from data_prep.readers.json_streaming import list_elements

CONTENTS = {
    "info": {"year": 2018, "nested": {"images": [1, 2]}},
    "images": [{"id": 1, "name": "Schürze"}, {"id": 2, "name": "エプロン"}, 17, 'a"]'],
    "count": 123456,
    "annotations": [],
    "last": 12.5,
}


@pytest.mark.parametrize("read_bytes", [1, 2, 7, 64, 1 << 20])
@pytest.mark.parametrize("options", [{}, {"ensure_ascii": False}, {"indent": 2}])
def test_list_elements_wherever_the_window_ends(tmp_path, monkeypatch, read_bytes, options):
    monkeypatch.setattr(json_streaming, "_READ_BYTES", read_bytes)
    path = tmp_path / "a.json"
    path.write_text(json.dumps(CONTENTS, **options), encoding="utf-8")
    elements = list(list_elements(path, ("images", "annotations")))
    assert [(e.key, e.position, e.value) for e in elements] == [
        ("images", None, None),
        *(("images", index, value) for index, value in enumerate(CONTENTS["images"])),
        ("annotations", None, None),
    ]
    raw = path.read_bytes()
    for element in elements:
        if element.position is not None:
            text = raw[element.start : element.start + element.num_bytes]
            assert json.loads(text) == element.value


@pytest.mark.parametrize("read_bytes", [1, 1 << 20])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "images": [1, 2', "at character 24: got '', expected ','"),
        ('{"images": [{"id": tru]}', "not valid json"),
        ('{"images": [1 2]}', "at character 14: got '2]}', expected ','"),
        ('{"images": {}}', "'images' is not a list"),
        ("", "is empty"),
        ('{"images" [1]}', "expected ':'"),
        ('{"images": [' + "[" * 100_000, "not valid json"),
    ],
)
def test_list_elements_of_damaged_files(tmp_path, monkeypatch, read_bytes, text, message):
    if read_bytes == 1 and len(text) > 1000:
        pytest.skip("a window of one byte takes long to reach the depth")
    monkeypatch.setattr(json_streaming, "_READ_BYTES", read_bytes)
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        list(list_elements(path, ("images",)))
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize("end", [b"\xff", b'\xc3"}', b"\xe3\x82"])
def test_list_elements_of_bytes_that_are_no_text(tmp_path, end):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"images": [1], "a": "' + end)
    with pytest.raises(ValueError, match="not a text file"):
        list(list_elements(path, ("images",)))
