import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests

from data_prep.annotations import masks
from data_prep.auto_mask.run import run
from data_prep.auto_mask.store import MaskStore
from data_prep.review.marks import hints_from_marks
from tests.browser import chromium_page
from tests.data_prep import drawn_products, product_folder
from tests.data_prep.review.review_process import reviewing

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[4]


@pytest.fixture
def masks_dir(tmp_path):
    product_folder.write_photos(tmp_path / "photos")
    run(tmp_path / "photos", tmp_path / "masks", "cutout", 1, False)
    return tmp_path / "masks"


def reviews(masks_dir):
    with MaskStore(masks_dir) as store:
        return {name: photo.review for name, photo in store.photos.items()}


def wait_for(page, name):
    page.wait_for_function("name => document.body.dataset.ready === name", arg=name)


def test_decisions_by_keyboard_survive_a_kill(masks_dir):
    """The least confident photo is the one without a product."""
    with reviewing(masks_dir) as (process, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "top/d.jpg")
        assert "no clear product" in page.inner_text("#reasons")
        page.keyboard.press("r")
        page.wait_for_function("document.getElementById('place').textContent.startsWith('2 / 4')")
        second = page.inner_text("#name")
        wait_for(page, second)
        page.keyboard.press("a")
        page.wait_for_function("document.getElementById('place').textContent.startsWith('3 / 4')")
        third = page.inner_text("#name")
        wait_for(page, third)
        page.keyboard.press("c")
        page.keyboard.type("blouse")
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowLeft")
        wait_for(page, second)
        assert page.inner_text("#state") == "accepted"
        os.kill(process.pid, signal.SIGKILL)
    with MaskStore(masks_dir) as store:
        assert store.photos["top/d.jpg"].review == "rejected"
        assert store.photos[second].review == "accepted"
        assert store.photos[third].products[0].category == "blouse"
    with reviewing(masks_dir) as (_, url):
        shown = {
            one["name"]: one["review"] for one in requests.get(f"{url}photos").json()["photos"]
        }
    assert (shown["top/d.jpg"], shown[second], shown[third]) == ("rejected", "accepted", "pending")


def test_page_shows_the_mask_and_cuts_anew_as_marked(masks_dir, tmp_path):
    with reviewing(masks_dir) as (process, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "top/d.jpg")
        page.keyboard.press("j")
        name = page.inner_text("#name")
        wait_for(page, name)
        screenshot = page.locator("#canvas").screenshot(path=tmp_path / "page.png")
        assert len(screenshot) > 5000
        box = page.locator("#canvas").bounding_box()
        page.keyboard.press("b")
        page.mouse.move(box["x"] + 2, box["y"] + 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 2, box["y"] + 0.55 * box["height"], steps=3)
        page.mouse.up()
        with page.expect_response("**/touch_up") as answer:
            page.keyboard.press("Enter")
        assert answer.value.ok
        page.wait_for_function("document.getElementById('message').textContent === ''")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    with MaskStore(masks_dir) as store:
        photo = store.photos[name]
    mask = masks.mask_from_rle(photo.rles()[0])
    expected = product_folder.TRUTH.copy()
    expected[round(0.55 * 300) :] = 0
    assert drawn_products.iou(mask, expected) > 0.93
    assert photo.engine == "person"
    coco = json.loads((masks_dir / "instances.json").read_text())
    image = next(one for one in coco["images"] if one["file_name"] == name)
    assert image["engine"] == "person"


def test_a_late_cut_does_not_show_on_another_photo(masks_dir):
    held, asked = [], []
    with reviewing(masks_dir) as (_, url), chromium_page() as page:
        page.route("**/touch_up", lambda route: held.append(route))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        wait_for(page, "top/d.jpg")
        page.evaluate("marks = [{kind: 'box', points: [[2, 2], [200, 150]]}]")
        page.keyboard.press("Enter")
        page.wait_for_function("document.getElementById('message').textContent === 'cutting ...'")
        page.keyboard.press("j")
        wait_for(page, page.inner_text("#name"))
        before = page.evaluate("canvas.toDataURL()")
        page.evaluate("tell('waiting')")
        asked.clear()
        held[0].continue_()
        page.wait_for_function("document.getElementById('message').textContent === ''")
        page.wait_for_timeout(300)
        assert [address for address in asked if "/mask" in address] == []
        assert page.evaluate("canvas.toDataURL()") == before


def test_two_presses_decide_one_photo_once(masks_dir):
    held = []
    with reviewing(masks_dir) as (_, url), chromium_page() as page:
        page.route("**/decide", lambda route: held.append(route))
        page.goto(url)
        wait_for(page, "top/d.jpg")
        page.keyboard.press("a")
        page.keyboard.press("a")
        page.wait_for_timeout(100)
        assert len(held) == 1
        held[0].continue_()
        page.wait_for_function("document.body.dataset.ready && index > 0")
        assert page.inner_text("#place").startswith("2 / 4")
    assert sorted(reviews(masks_dir).values()) == ["accepted", "pending", "pending", "pending"]


def test_a_photo_is_not_accepted_before_it_is_shown(masks_dir):
    with reviewing(masks_dir) as (_, url), chromium_page() as page:
        page.route("**/photo?*", lambda route: None)
        page.goto(url)
        page.wait_for_function("shown.length === 4")
        page.keyboard.press("a")
        assert page.inner_text("#message") == "this photo is not shown yet"
    assert set(reviews(masks_dir).values()) == {"pending"}


def test_masking_again_keeps_decisions(masks_dir, tmp_path, monkeypatch):
    with reviewing(masks_dir) as (_, url):
        for name, review in (("dress/a.jpg", "accepted"), ("dress/b.jpg", "rejected")):
            body = {"name": name, "review": review}
            assert requests.post(f"{url}decide", json=body).json()["review"] == review
    monkeypatch.setattr("data_prep.auto_mask.run._VERSION", 999)  # of a better cut
    assert run(tmp_path / "photos", masks_dir, "cutout", 1, False).num_new == 2
    assert reviews(masks_dir)["dress/b.jpg"] == "rejected"
    assert "dress/b.jpg" not in (masks_dir / "masks.csv").read_text()


def test_undo_takes_back_the_last_decision_whatever_is_shown(masks_dir):
    with reviewing(masks_dir) as (_, url), chromium_page() as page:
        names = [photo["name"] for photo in requests.get(f"{url}photos").json()["photos"]]
        page.goto(url)
        for key, name in (("a", names[0]), ("r", names[1])):
            wait_for(page, name)
            page.keyboard.press(key)
        wait_for(page, names[2])
        page.keyboard.press("ArrowRight")
        page.keyboard.press("u")
        wait_for(page, names[1])
        page.wait_for_function(
            "document.getElementById('message').textContent.includes('is pending again')"
        )
        assert reviews(masks_dir)[names[0]] == "accepted"
        assert reviews(masks_dir)[names[1]] == "pending"
        page.keyboard.press("u")
        wait_for(page, names[0])
        page.wait_for_function("document.getElementById('state').textContent === 'pending'")
        page.keyboard.press("u")
        page.wait_for_function(
            "document.getElementById('message').textContent === 'no decision to undo'"
        )
    assert set(reviews(masks_dir).values()) == {"pending"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("decide", {"name": "../secret.jpg", "review": "accepted"}, "no photo of this name"),
        ("decide", {"name": "dress/a.jpg", "review": "perhaps"}, "got decision 'perhaps'"),
        ("category", {"name": "dress/a.jpg", "category": " "}, "expected 1 to 60 characters"),
        ("touch_up", {"name": "dress/a.jpg", "marks": [{"kind": "box"}]}, "expected a kind and"),
        ("touch_up", {"name": "dress/a.jpg", "marks": 5}, "marks"),
        ("touch_up", ["dress/a.jpg"], "expected an object"),
        ("decide", b"[" * 100_000, "nested"),
    ],
)
def test_bad_requests_are_refused_and_change_nothing(masks_dir, path, body, words):
    with reviewing(masks_dir) as (_, url):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = requests.post(f"{url}{path}", raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert set(reviews(masks_dir).values()) == {"pending"}


def test_other_sites_can_neither_read_nor_decide(masks_dir):
    with reviewing(masks_dir) as (_, url):
        foreign = requests.get(f"{url}photos", headers={"Host": "evil.example"})
        form = requests.post(f"{url}decide", data='{"name": "dress/a.jpg", "review": "rejected"}')
    assert foreign.status_code == 403
    assert form.status_code == 400
    assert reviews(masks_dir)["dress/a.jpg"] == "pending"


def test_hints_from_marks():
    marks = [
        {"kind": "box", "points": [[1, 1], [4, 3]]},
        {"kind": "product", "points": [[2, 2], [3, 2]], "width": 1},
    ]
    expected = [
        [2, 2, 2, 2, 2, 2],
        [2, 0, 0, 0, 0, 2],
        [2, 0, 1, 1, 0, 2],
        [2, 0, 0, 0, 0, 2],
        [2, 2, 2, 2, 2, 2],
    ]
    np.testing.assert_array_equal(hints_from_marks(marks, (5, 6)), expected)


def test_folder_without_masks_is_told(tmp_path):
    command = [sys.executable, "-m", "data_prep.review", f"--dir={tmp_path}"]
    done = subprocess.run(command, cwd=REPO_DIR, capture_output=True, text=True)
    assert done.returncode == 1
    assert "run that first" in done.stderr
