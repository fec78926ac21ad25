"""What is found on the client's disk and what is written there; the server is not involved."""

import http.server
import json
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from serving.client.connection import DeadlineExceededError, ServerUnreachableError
from serving.client.photo_sources import LocalUrl, find_photos, overlay_paths
from serving.client.runner import PhotoRun
from tfseg.structures.detections import Detections


def _detections(height, width):
    mask = np.zeros((height, width), np.uint8, order="F")
    mask[2:5, 1:4] = 1
    rle = coco_mask.encode(mask)
    return Detections(
        boxes_yxyx=np.array([[2, 1, 5, 4]], np.float32),
        scores=np.array([0.75], np.float32),
        category_ids=np.array([6], np.int32),
        category_names=("dress",),
        rles=({"size": [height, width], "counts": rle["counts"].decode()},),
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

    run = PhotoRun(detect, tmp_path / "out")
    run.detect_and_write(photos, batch_size=1)

    assert run.num_errors == 1
    assert capsys.readouterr().err == f"error: {photos[0]}: too slow\n"
    [result] = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert result["file_name"] == "2.png" and result["bbox"] == [1, 2, 3, 3]


def test_run_keeps_what_was_done_before_the_server_went(tmp_path):
    photos = [_photo(tmp_path / "1.png"), _photo(tmp_path / "2.png", width=7)]

    def detect(images):
        if images == [photos[1].read_bytes()]:
            raise ServerUnreachableError("gone")
        return [_detections(8, 6)]

    run = PhotoRun(detect, tmp_path / "out")
    with pytest.raises(ServerUnreachableError):
        run.detect_and_write(photos, batch_size=1)

    assert [r["image_id"] for r in json.loads((tmp_path / "out/detections.json").read_text())] == [
        0
    ]


def test_run_names_a_photo_whose_orientation_differs(tmp_path, capsys):
    photo = _photo(tmp_path / "turned.png", height=8, width=6)

    run = PhotoRun(lambda images: [_detections(6, 8)], tmp_path / "out")
    run.detect_and_write([photo], batch_size=1)

    assert run.num_errors == 1
    assert "the image is 6x8, but its detections are for 8x6" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]
    assert len(run.results) == 1


def test_run_in_parallel_keeps_the_order(tmp_path):
    photos = [_photo(tmp_path / f"{number}.png", width=6 + number) for number in range(9)]
    under_way, most = [], []
    lock = threading.Lock()

    def detect(images):
        width = cv2.imdecode(np.frombuffer(images[0], np.uint8), 1).shape[1]
        with lock:
            under_way.append(width)
            most.append(len(under_way))
        time.sleep(0.05 if width % 2 else 0.01)
        with lock:
            under_way.remove(width)
        return [_detections(8, width)]

    run = PhotoRun(detect, tmp_path / "out", ["json"])
    run.detect_and_write(photos, batch_size=1, num_parallel=3)

    assert [result["image_id"] for result in run.results] == list(range(9))
    assert [result["segmentation"]["size"][1] for result in run.results] == list(range(6, 15))
    assert 2 <= max(most) <= 3
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["detections.json"]


def test_run_writes_cutouts(tmp_path):
    run = PhotoRun(lambda images: [_detections(8, 6)], tmp_path / "out", ["cutouts"])
    run.detect_and_write([_photo(tmp_path / "1.png")], batch_size=1)

    written = [path.relative_to(tmp_path) for path in (tmp_path / "out").rglob("*.*")]
    assert written == [Path("out/cutouts/1_dress.png")]
    cutout = cv2.imread(str(tmp_path / written[0]), cv2.IMREAD_UNCHANGED)
    assert cutout.shape[2] == 4
    assert cutout[:, :, 3].max() > 100


def test_run_refuses_unknown_kinds(tmp_path):
    with pytest.raises(ValueError, match="--write=overlays,pdf: expected some of overlays,json,"):
        PhotoRun(None, tmp_path, ["overlays", "pdf"])


class _Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/away"):
            self.send_response(302)
            self.send_header("Location", "http://192.0.2.1/a.png")
        else:
            self.send_response(200 if self.path == "/some%20photo.png?x=1" else 404)
        self.end_headers()
        self.wfile.write(b"the bytes")

    def log_message(self, *_):
        pass


@pytest.fixture
def web():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_photos_from_this_machines_urls(web, tmp_path):
    [photo, file] = find_photos(
        [f"{web}/some%20photo.png?x=1", _photo(tmp_path / "a.png").as_uri()]
    )

    assert (photo.name, photo.stem) == ("some photo.png", "some photo")
    assert photo.read_bytes() == b"the bytes"
    assert file == tmp_path / "a.png"
    assert overlay_paths([photo], tmp_path) == [tmp_path / "some photo.jpg"]


@pytest.mark.parametrize("path", ["/none", "/away"])
def test_photos_from_urls_that_fail(web, path):
    [photo] = find_photos([web + path])

    with pytest.raises(OSError, match="HTTP Error"):
        photo.read_bytes()


def test_photos_from_another_machine_are_not_fetched():
    [photo] = find_photos(["http://192.0.2.1/photo.jpg"])

    with pytest.raises(OSError, match="only URLs of this machine are fetched"):
        photo.read_bytes()


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a b.jpg", "http://[::1/a.jpg"])
def test_a_url_that_cannot_be_asked_for_is_the_photos_error(url):
    with pytest.raises(OSError, match="cannot be fetched"):
        LocalUrl(url).read_bytes()
