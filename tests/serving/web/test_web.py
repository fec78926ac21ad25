"""The page in a real browser, before a real server."""

import io
import json
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tests.browser import chromium_page
from tests.serving.server_process import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page_url(server_address):
    web = subprocess.Popen(
        [sys.executable, "-m", "serving.web", f"--server={server_address}", "--port=0"]
        + ["--max_photo_mb=1", "--connect_timeout_s=1"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    line = web.stdout.readline()
    assert line.startswith("page at http://127.0.0.1:")
    yield line.split()[-1]
    web.terminate()
    assert web.wait(10) == 0


@pytest.fixture
def photo(png_of_blocks, tmp_path):
    path = tmp_path / "a photo.png"
    path.write_bytes(png_of_blocks(200, 300, red=(20, 40, 90, 140), blue=(110, 160, 180, 280)))
    return path


def _show(page, url, *photos):
    page.goto(url)
    page.set_input_files("#files", photos)
    for index in range(len(photos)):
        page.locator(".card:not(.waiting)").nth(index).wait_for()


def _garments(page):
    return page.locator(".garments button").all_inner_texts()


def _pixel(page, selector, x, y):
    """RGBA of a canvas at a point of a 300 x 200 photo."""
    return page.evaluate(
        "([s, x, y]) => { const c = document.querySelector(s);"
        "return [...c.getContext('2d').getImageData(x, y, 1, 1).data]; }",
        [selector, x, y],
    )


def test_a_photo_shows_its_garments_and_the_slider_hides_them(page_url, photo):
    with chromium_page() as page:
        _show(page, page_url, photo)

        assert _garments(page) == ["dress\n0.90"]
        assert _pixel(page, ".photo", 80, 50)[:3] == [255, 0, 0]
        assert _pixel(page, ".masks", 80, 50)[3] > 60  # the dress is tinted
        assert _pixel(page, ".masks", 200, 150)[3] == 0  # pants score 0.4: hidden
        assert _pixel(page, ".masks", 10, 10)[3] == 0

        page.locator("#threshold").fill("0.3")

        assert _garments(page) == ["dress\n0.90", "pants\n0.40"]
        assert _pixel(page, ".masks", 200, 150)[3] > 60

        page.locator("#threshold").fill("0.95")

        assert _garments(page) == []
        assert "No garment reaches this score" in page.locator(".garments").inner_text()


def test_a_mask_lights_up_under_the_pointer(page_url, photo):
    with chromium_page() as page:
        _show(page, page_url, photo)
        soft = _pixel(page, ".masks", 80, 50)[3]
        box = page.locator(".masks").bounding_box()

        page.mouse.move(box["x"] + 80 / 300 * box["width"], box["y"] + 50 / 200 * box["height"])

        assert _pixel(page, ".masks", 80, 50)[3] > soft + 50
        assert page.locator(".tip").inner_text() == "dress 0.90"
        assert page.locator(".garments button.lit").inner_text() == "dress\n0.90"

        page.mouse.move(box["x"] + 2, box["y"] + 2)

        assert _pixel(page, ".masks", 80, 50)[3] == soft
        assert page.locator(".tip").is_hidden()

        page.locator(".garments button").focus()  # by keyboard likewise

        assert _pixel(page, ".masks", 80, 50)[3] > soft + 50


def _download(page, name):
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name).click()
    return waiting.value.suggested_filename, waiting.value.path().read_bytes()


def test_downloads(page_url, photo):
    with chromium_page() as page:
        _show(page, page_url, photo)
        page.locator("#threshold").fill("0.3")

        json_name, results = _download(page, "JSON")
        overlay_name, overlay = _download(page, "Overlay")
        zip_name, cutouts = _download(page, "Cutouts")

    assert (json_name, overlay_name) == ("a photo.json", "a photo-overlay.png")
    dress, pants = json.loads(results)
    assert (dress["category_name"], dress["file_name"]) == ("dress", "a photo.png")
    assert dress["bbox"] == [40, 20, 100, 70]
    assert coco_mask.toBbox(pants["segmentation"]).tolist() == [160, 110, 120, 70]

    drawn = cv2.imdecode(np.frombuffer(overlay, np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape == (200, 300, 3)
    assert drawn[10, 10].tolist() == [128, 128, 128]
    assert drawn[50, 80].tolist() != [0, 0, 255]

    assert zip_name == "a photo-cutouts.zip"
    with zipfile.ZipFile(io.BytesIO(cutouts)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a photo_1_dress.png", "a photo_2_pants.png"]
        content = np.frombuffer(archive.read("a photo_1_dress.png"), np.uint8)
    cut = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    opaque = cut[..., 3] == 255
    assert opaque.sum() == 70 * 100
    assert (cut[opaque][:, :3] == [0, 0, 255]).all()
    assert not cut[~opaque].any()


def test_versions_and_broken_photos(page_url, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no image")
    with chromium_page() as page:
        _show(page, page_url, broken, photo)

        assert page.locator(".error:visible").all_inner_texts() == [
            "not a photo that can be shown: send a JPEG, PNG, WebP, GIF or BMP"
        ]
        options = page.locator("#version option").all_inner_texts()
        assert options == ["newest (3)", "3"]
        page.locator("#version").select_option("3")
        page.locator(".card:not(.waiting)").nth(1).wait_for()
        assert _garments(page) == ["dress\n0.90"]

        page.get_by_role("button", name="Remove this photo").first.click()
        assert page.locator(".card").count() == 1


def test_a_phones_width_needs_no_sideways_scrolling(page_url, photo):
    with chromium_page(width=360, height=740) as page:
        _show(page, page_url, photo)

        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        box = page.locator(".card").bounding_box()
        assert box["width"] > 300
        for button in page.locator("button:visible").all():
            assert button.bounding_box()["height"] >= 34  # a finger's width


def _status(url, data=None):
    try:
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("page.html", None, 404, "there is no such page"),
        ("../client.py", None, 404, "there is no such page"),
        ("%2e%2e/client.py", None, 404, "there is no such page"),
        ("api/detect", b"no image", 422, "not a PNG or JPEG image"),
        ("api/detect?version=99", b"no image", 404, "Specific(fashion, 99)"),
        ("api/detect?version=-1", b"no image", 400, "expected a photo's bytes"),
        ("api/detect", b"a" * (2**20 + 1), 413, "larger than max (1048577 vs. 1048576)"),
    ],
)
def test_requests_that_are_refused(page_url, path, body, code, message):
    status, answer = _status(page_url + path, body)

    assert status == code
    assert message in json.loads(answer)["error"]


def test_the_page_asks_nobody_else(page_url):
    with urllib.request.urlopen(page_url, timeout=10) as answer:
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
