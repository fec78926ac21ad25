import json

import cv2
import numpy as np
import pytest

from tests.tfseg.structures.test_mask_geometry import OUTFIT
from tfseg.structures.detection_files import PhotoPictures, write_results

PHOTO = np.full((8, 10, 3), 200, np.uint8)


def test_what_is_wanted_is_written_where_it_is_said(tmp_path):
    pictures = PhotoPictures({"overlays": tmp_path / "o/a.b", "cutouts": tmp_path / "c/a.b"})

    written = pictures.write(PHOTO, OUTFIT)

    assert written == pictures.paths(OUTFIT)
    assert written[0] == tmp_path / "o/a.b.jpg"
    assert len(written) == 1 + len(OUTFIT)
    assert all(path.name.startswith("a.b_") and path.parent.name == "c" for path in written[1:])
    assert cv2.imread(str(written[1]), cv2.IMREAD_UNCHANGED).shape[2] == 4
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(written)


def test_nothing_is_wanted(tmp_path):
    assert PhotoPictures({}).write(PHOTO, OUTFIT) == []


def test_a_photo_of_another_size_is_refused(tmp_path):
    with pytest.raises(ValueError, match="is 9x8, but its detections are for 10x8"):
        PhotoPictures({"overlays": tmp_path / "a"}).write(PHOTO[:, :9], OUTFIT)


@pytest.mark.parametrize("entries", [[], [{"a": 1}], [{"a": 1}, {"b": "caf\udce9"}]])
def test_write_results_is_json_with_a_line_each(tmp_path, entries):
    write_results(tmp_path / "detections.json", iter(entries))

    text = (tmp_path / "detections.json").read_text(encoding="utf-8")
    assert json.loads(text) == entries
    assert text.count("\n") == 2 + max(len(entries), 1) - (not entries)
