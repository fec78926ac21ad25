"""What is found on the client's disk and what is written there; the server is not involved."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from serving.connection import DeadlineExceededError, ServerUnreachableError
from serving.photo_run import PhotoRun
from serving.photos import find_photos, overlay_paths
from tfseg.detections import Detections


def _detections(height, width):
    mask = np.zeros((height, width), np.uint8, order="F")
    mask[2:5, 1:4] = 1
    rle = coco_mask.encode(mask)
    return Detections(
        boxes_yxyx=np.array([[2, 1, 5, 4]], np.float32),
        scores=np.array([0.75], np.float32),
        category_ids=np.array([6], np.int32),
        category_names=("dress",),
        masks=({"size": [height, width], "counts": rle["counts"].decode()},),
        image_size_hw=(height, width),
    )


def _photo(path, height=8, width=6, extension=".png"):
    image = np.full((height, width, 3), 128, np.uint8)
    path.write_bytes(cv2.imencode(extension, image)[1].tobytes())
    return path


def test_find_photos_in_files_and_folders(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")

    photos = find_photos([tmp_path / "notes.txt", tmp_path])

    assert [photo.name for photo in photos] == ["notes.txt", "a.png", "b.JPG"]


def test_overlay_paths_never_collide(tmp_path):
    photos = [Path("x/a.png"), Path("y/a.jpg"), Path("a-2.png"), Path("A.bmp")]

    assert [path.name for path in overlay_paths(photos, tmp_path)] == [
        "a.jpg",
        "a-2.jpg",
        "a-2-2.jpg",
        "A-3.jpg",
    ]


def test_overlay_paths_spare_photos_in_the_output_folder(tmp_path):
    photos = [tmp_path / "a.jpg", tmp_path / "b.png"]

    assert [path.name for path in overlay_paths(photos, tmp_path)] == ["a-2.jpg", "b.jpg"]


def test_run_continues_after_a_deadline(tmp_path, capsys):
    photos = [_photo(tmp_path / "1.png"), _photo(tmp_path / "2.png")]
    answers = [DeadlineExceededError("too slow"), [_detections(8, 6)]]

    def detect(images):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    run = PhotoRun(detect, tmp_path / "out", 0.5)
    run.detect_and_write(photos, batch_size=1)

    assert run.num_errors == 1
    assert capsys.readouterr().err == f"error: {photos[0]}: too slow\n"
    [result] = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert result["file_name"] == "2.png" and result["bbox"] == [1, 2, 3, 3]


def test_run_keeps_what_was_done_before_the_server_went(tmp_path):
    photos = [_photo(tmp_path / "1.png"), _photo(tmp_path / "2.png")]

    def detect(images):
        if (tmp_path / "out" / "1.jpg").exists():
            raise ServerUnreachableError("gone")
        return [_detections(8, 6)]

    run = PhotoRun(detect, tmp_path / "out", 0.5)
    with pytest.raises(ServerUnreachableError):
        run.detect_and_write(photos, batch_size=1)

    assert [r["image_id"] for r in json.loads((tmp_path / "out/detections.json").read_text())] == [
        0
    ]


def test_run_names_a_photo_whose_orientation_differs(tmp_path, capsys):
    photo = _photo(tmp_path / "turned.png", height=8, width=6)

    run = PhotoRun(lambda images: [_detections(6, 8)], tmp_path / "out", 0.5)
    run.detect_and_write([photo], batch_size=1)

    assert run.num_errors == 1
    assert "the image is 6x8, but its detections are for 8x6" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]
    assert len(run.results) == 1


def test_run_leaves_out_low_scores(tmp_path):
    run = PhotoRun(lambda images: [_detections(8, 6)], tmp_path / "out", 0.8)
    run.detect_and_write([_photo(tmp_path / "1.png")], batch_size=4)

    assert json.loads((tmp_path / "out" / "detections.json").read_text()) == []
    assert (tmp_path / "out" / "1.jpg").exists()
