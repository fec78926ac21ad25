"""The page on which predictions are corrected, in a real browser."""

import json
import os
import re
import signal

import cv2
import numpy as np
import pytest
import requests

from data_prep.annotations import masks
from data_prep.readers.review_folder import read_review
from tests.browser import chromium_page
from tests.data_prep import drawn_products
from tests.data_prep.review import drawn_review
from tests.data_prep.review.review_process import reviewing

pytestmark = pytest.mark.slow


@pytest.fixture
def review_dir(tmp_path):
    return drawn_review.write(tmp_path)


def wait_for(page, name, revision=0):
    """Until the page shows a photo as a revision of it."""
    shown = f"{name}@{revision}"
    page.wait_for_function("shown => document.body.dataset.ready === shown", arg=shown)


def wait_for_message(page, words):
    page.wait_for_function(
        "words => document.getElementById('message').textContent.includes(words)", arg=words
    )


def photo_of(review_dir, name):
    return read_review(review_dir).photos[name]


def categories(review_dir, name):
    return [instance.category for instance in photo_of(review_dir, name).instances]


def on_screen(page, x, y):
    """Where a photo's pixel is on the page."""
    box = page.locator("#canvas").bounding_box()
    height, width = drawn_review.SIZE_HW
    return box["x"] + x * box["width"] / width, box["y"] + y * box["height"] / height


def drag(page, *points):
    page.mouse.move(*on_screen(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*on_screen(page, *point), steps=4)
    page.mouse.up()


def test_decisions_by_keyboard_survive_a_kill(review_dir):
    """The first photo's shoes score nearest to the threshold."""
    with reviewing(review_dir) as (process, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        assert page.inner_text("#reasons").startswith("unsure: footwear 0.60, belt 0.30")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("s")
        wait_for(page, "a.jpg", 1)
        page.keyboard.press("4")
        page.keyboard.press("c")
        page.keyboard.type("ba")
        page.keyboard.press("Enter")
        wait_for(page, "a.jpg", 2)
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("d")
        wait_for(page, "a.jpg", 3)
        page.keyboard.press("a")
        wait_for(page, "b.jpg")
        page.keyboard.press("t")
        wait_for(page, "b.jpg", 1)
        page.keyboard.press("r")
        wait_for(page, "c.jpg")
        os.kill(process.pid, signal.SIGKILL)
    assert categories(review_dir, "a.jpg") == ["dress", "footwear", "bag"]
    np.testing.assert_array_equal(
        masks.mask_from_rle(photo_of(review_dir, "a.jpg").rles()[1])[240:270, 70:100], 1
    )
    assert photo_of(review_dir, "a.jpg").review == "accepted"
    assert categories(review_dir, "b.jpg") == ["dress", "footwear"]
    assert photo_of(review_dir, "b.jpg").review == "rejected"
    with reviewing(review_dir) as (_, url):
        listed = requests.get(f"{url}photos").json()
    assert [one["review"] for one in listed["photos"]] == ["accepted", "rejected", "pending"]
    assert (listed["num_decided"], listed["num_decisions"]) == (2, 6)


@pytest.mark.parametrize("width", [1280, 390])
def test_a_missed_garment_is_boxed_and_a_mask_mended_by_pointer(review_dir, width):
    with reviewing(review_dir) as (_, url), chromium_page(width, 844) as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("button[data-key=n]")
        drag(page, (158, 142), (212, 208))
        page.click("button[data-key=Enter]")
        page.click("#leave")  # the box stays
        page.click("button[data-key=Enter]")
        page.click("#names button:text-is('bag')")
        wait_for(page, "a.jpg", 1)
        page.mouse.click(*on_screen(page, 110, 180))
        assert page.inner_text("#garments .chosen").split()[1] == "dress"
        page.click("button[data-key=x]")
        drag(page, (75, 65), (75, 195))
        page.keyboard.press("Shift+Enter")
        wait_for(page, "a.jpg", 2)
        page.select_option("#category", "footwear")
        wait_for(page, "a.jpg", 3)
    photo = photo_of(review_dir, "a.jpg")
    assert [(i.category, i.source) for i in photo.instances] == [
        ("footwear", "person"),
        ("footwear", "model"),
        ("belt", "model"),
        ("bag", "person"),
    ]
    bag = masks.mask_from_rle(photo.rles()[3])
    assert drawn_products.iou(bag, drawn_review.mask_of("bag")) > 0.93
    dress = masks.mask_from_rle(photo.rles()[0])
    assert dress[100, 75] == 0
    assert dress[100, 90] == 1


def test_a_box_is_drawn_by_keyboard_alone(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        page.keyboard.press("n")  # the cross starts in the middle, (110, 150); a step is 3 pixels
        for _ in range(16):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Space")
        for _ in range(3):
            page.keyboard.press("Shift+ArrowRight")
            page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.keyboard.type("bag")
        page.keyboard.press("Enter")
        wait_for(page, "a.jpg", 1)
    bag = masks.mask_from_rle(photo_of(review_dir, "a.jpg").rles()[3])
    assert drawn_products.iou(bag, drawn_review.mask_of("bag")) > 0.93


def test_a_category_that_the_set_has_not_is_asked_for(review_dir):
    with reviewing(review_dir, "--add_categories=cape, vest") as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        page.keyboard.press("1")
        page.select_option("#category", "vest")
        wait_for(page, "a.jpg", 1)
        page.keyboard.press("c")
        page.keyboard.press("Enter")  # what it is already: no change
        page.keyboard.press("2")
        page.keyboard.press("c")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
    with reviewing(review_dir) as (_, url):
        names = requests.get(f"{url}photos").json()["categories"]
    assert names == ["bag", "belt", "footwear", "dress", "vest"]  # cape has not been used
    assert categories(review_dir, "a.jpg") == ["vest", "footwear", "belt"]


def test_accepting_says_what_is_doubtful_and_can_leave_it_out(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        assert "accept all 3, 1 doubtful" in page.inner_text("button[data-key=a]")
        page.keyboard.press("Shift+A")
        wait_for(page, "b.jpg")
        page.keyboard.press("t")
        wait_for(page, "b.jpg", 1)
        assert "accept all" in page.inner_text("button[data-key=a]")
        assert "doubtful" not in page.inner_text("button[data-key=a]")
        page.keyboard.press("Shift+A")  # where nothing is doubtful it is A
        wait_for(page, "c.jpg")
    accepted = photo_of(review_dir, "a.jpg")
    assert (accepted.review, accepted.is_edited) == ("accepted", True)
    assert categories(review_dir, "a.jpg") == ["dress", "footwear"]
    assert photo_of(review_dir, "b.jpg").review == "accepted"


def test_deleting_what_is_doubtful_begins_a_photo_and_a_button_accepts_the_others(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page(390, 844) as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        assert page.inner_text("#state") == "pending"
        page.keyboard.press("t")
        wait_for(page, "a.jpg", 1)
        assert page.inner_text("#state") == "begun, not accepted"
        assert page.inner_text("#rate").startswith("0 of 3")
        assert page.is_disabled("button[data-key='Shift+a']")
        page.keyboard.press("j")
        wait_for(page, "b.jpg")
        assert "accept the other 2" in page.inner_text("button[data-key='Shift+a']")
        page.click("button[data-key='Shift+a']")
        wait_for(page, "c.jpg")
        assert page.inner_text("#rate").startswith("1 of 3")
        page.select_option("#filter", "begun")
        wait_for(page, "a.jpg", 1)
        assert page.inner_text("#num_shown") == "1"
        page.reload()  # told by the server as well
        page.select_option("#filter", "begun")
        wait_for(page, "a.jpg", 1)
        assert page.inner_text("#state") == "begun, not accepted"
    assert photo_of(review_dir, "a.jpg").review == "pending"
    assert photo_of(review_dir, "b.jpg").review == "accepted"
    assert categories(review_dir, "b.jpg") == ["dress", "footwear"]


def test_undo_takes_back_the_last_decision_whatever_is_shown(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        page.keyboard.press("t")
        wait_for(page, "a.jpg", 1)
        page.keyboard.press("a")
        wait_for(page, "b.jpg")
        page.reload()  # the history is the server's
        wait_for(page, "b.jpg")  # where the review was left
        page.keyboard.press("j")
        wait_for(page, "c.jpg")
        page.keyboard.press("u")
        wait_for(page, "a.jpg", 3)
        assert page.inner_text("#state") == "begun, not accepted"
        assert len(photo_of(review_dir, "a.jpg").instances) == 2
        page.keyboard.press("u")
        wait_for(page, "a.jpg", 4)
        assert page.locator("#garments button").count() == 3
        assert page.inner_text("#state") == "pending"
        page.keyboard.press("u")
        wait_for_message(page, "no decision to undo")
    assert not photo_of(review_dir, "a.jpg").is_touched


def test_two_windows_lose_none_of_each_others_decisions(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as first:
        second = first.context.new_page()
        for page in (first, second):
            page.goto(url)
            wait_for(page, "a.jpg")
        first.keyboard.press("t")
        wait_for(first, "a.jpg", 1)
        second.keyboard.press("r")
        wait_for_message(second, "has been changed in another window")
        wait_for(second, "a.jpg", 1)
        assert second.locator("#garments button").count() == 2
        assert photo_of(review_dir, "a.jpg").review == "pending"
        second.keyboard.press("a")
        wait_for(second, "b.jpg")
        first.keyboard.press("u")
        wait_for_message(first, "decisions have been made elsewhere; the last one is on a.jpg")
        assert photo_of(review_dir, "a.jpg").review == "accepted"
        first.keyboard.press("u")
        wait_for(first, "a.jpg", 3)
    assert photo_of(review_dir, "a.jpg").review == "pending"


def test_a_photo_is_not_accepted_before_it_is_shown(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.route("**/photo?*", lambda route: None)
        page.goto(url)
        page.wait_for_function("shown.length === 3")
        page.keyboard.press("a")
        wait_for_message(page, "this photo is not shown yet")
    assert photo_of(review_dir, "a.jpg").review == "pending"


def test_a_photo_that_is_gone_says_so_and_can_only_be_rejected(review_dir, tmp_path):
    (tmp_path / "photos" / "a.jpg").unlink()
    turned = cv2.rotate(cv2.imread(str(tmp_path / "photos" / "c.jpg")), cv2.ROTATE_90_CLOCKWISE)
    cv2.imwrite(str(tmp_path / "photos" / "b.jpg"), turned)
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for_message(page, "cannot be shown: [Errno 2] No such file")
        page.keyboard.press("a")
        wait_for_message(page, "this photo cannot be shown")
        page.keyboard.press("r")
        wait_for_message(page, "b.jpg: is 300x220 by now, expected 220x300 pixels as predicted")
        page.keyboard.press("j")
        wait_for(page, "c.jpg")
    assert photo_of(review_dir, "a.jpg").review == "rejected"


def test_a_garments_number_hides_none_of_it(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page(390, 844) as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        left, top, right, bottom = page.evaluate(
            """() => {
              const taken = [];
              const belt = photo.garments.findIndex((one) => one.category === "belt");
              const place = labelPlace(photo.garments[belt].contours);
              drawLabel("3 belt", place, belt, true, taken, photo.width);
              return taken[0];
            }"""
        )
    assert 0 <= left < right <= 220
    assert 90 < top < bottom < 120  # where the belt begins


def test_progress_filter_help_and_number(review_dir):
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        page.goto(url)
        wait_for(page, "a.jpg")
        page.keyboard.press("a")
        wait_for(page, "b.jpg")
        page.keyboard.press("a")
        wait_for(page, "c.jpg")
        assert re.fullmatch(r"2 of 3, \d+ an hour, .* left", page.inner_text("#rate"))
        page.keyboard.press("k")
        wait_for(page, "b.jpg", 1)
        page.keyboard.press("j")
        wait_for(page, "c.jpg")
        page.keyboard.press("a")
        wait_for_message(page, "all photos are decided")
        assert page.inner_text("#rate") == "3 of 3"
        page.keyboard.press("u")
        wait_for(page, "c.jpg", 2)
        page.select_option("#filter", "accepted")
        wait_for(page, "a.jpg", 1)
        assert page.inner_text("#num_shown") == "2"
        page.keyboard.press("g")
        page.keyboard.type("2")
        page.keyboard.press("Enter")
        wait_for(page, "b.jpg", 1)
        page.keyboard.press("?")
        assert page.locator("#help").is_visible()
        page.keyboard.press("r")  # keys do nothing below it
        page.keyboard.press("Escape")
        assert not page.locator("#help").is_visible()
        page.keyboard.press("a")
        wait_for_message(page, "this is the last photo shown; pending: 1")
        page.set_viewport_size({"width": 390, "height": 800})  # buttons have no keys there
        page.keyboard.press("?")
        named = "kbd => getComputedStyle(kbd, '::after').content"
        assert page.locator("#help kbd").first.evaluate(named) == '"accept all"'
    assert photo_of(review_dir, "b.jpg").review == "accepted"


def test_five_thousand_photos_do_not_slow_the_page(tmp_path):
    review_dir = drawn_review.write(tmp_path)
    path = review_dir / "predictions.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    with path.open("a") as file:
        for number in range(5000):
            other = {**lines[number % 3], "file_name": f"shop/{number:05}.jpg"}
            file.write(json.dumps({**other, "dhash": ""}) + "\n")
    (tmp_path / "photos" / "shop").symlink_to(tmp_path / "photos")
    for number in range(5000):
        (tmp_path / "photos" / f"{number:05}.jpg").symlink_to(tmp_path / "photos" / "a.jpg")
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url)
        page.wait_for_function("document.body.dataset.ready")
        assert page.inner_text("#num_shown") == "5003"
        assert len(requests.get(f"{url}photos").content) < 1_000_000
        assert page.evaluate("document.querySelectorAll('*').length") < 200
        asked.clear()
        page.keyboard.press("a")
        page.wait_for_function("index === 1 && document.body.dataset.ready")
        assert sorted(re.search(r"/(\w+)[^/]*$", one).group(1) for one in asked) == [
            "decide",
            "garments",
            "photo",
        ]


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("decide", {"name": "../x.jpg", "revision": 0, "action": "accept"}, "no photo of this"),
        ("decide", {"name": "a.jpg", "revision": 0, "action": "burn"}, "got action 'burn'"),
        ("decide", {"name": "a.jpg", "action": "accept"}, "revision: got None"),
        ("decide", {"name": "a.jpg", "revision": 0, "action": "delete"}, "got garment None"),
        (
            "decide",
            {"name": "a.jpg", "revision": 0, "action": "delete", "index": 3},
            "got garment 3, expected 0 to 2",
        ),
        (
            "decide",
            {"name": "a.jpg", "revision": 0, "action": "category", "index": 0, "category": "hat"},
            "got 'hat', expected one of bag, belt",
        ),
        (
            "decide",
            {"name": "a.jpg", "revision": 0, "action": "add", "category": "bag", "marks": [5]},
            "expected a kind and a list",
        ),
        (
            "decide",
            {"name": "a.jpg", "revision": 0, "action": "add", "category": "bag", "marks": 5},
            "mark first",
        ),
        ("decide", {"name": "a.jpg", "revision": 0, "action": "split", "index": 0}, "one piece"),
        ("undo", {}, "num_decisions: got None"),
        ("undo", ["a.jpg"], "expected an object"),
        ("decide", b"[" * 100_000, "nested"),
    ],
)
def test_bad_requests_are_refused_and_change_nothing(review_dir, path, body, words):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with reviewing(review_dir) as (_, url):
        answer = requests.post(f"{url}{path}", raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert photo_of(review_dir, "a.jpg").revision == 0
