"""Twenty real photos, predicted by the model in the box, corrected in a real browser."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from data_prep.prepared import open_prepared
from data_prep.readers.review_folder import DECISIONS_NAME, read_review
from tests.browser import chromium_page
from tests.data_prep.review.review_process import reviewing
from tests.loop import review_figures
from tests.loop.browser_page import BrowserPage
from tests.loop.ccp_part import copy_part, labelled_names
from tests.loop.simulated_reviewer import review_listed, true_garments

REPO_DIR = Path(__file__).resolve().parents[2]
STREET_DIR = REPO_DIR / os.environ.get("TFSEG_STREET_DIR", "../shared/street")
CCP_DIR = (STREET_DIR.parent / "ccp").resolve()
NUM_PHOTOS = 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("TFSEG_LOOP_TESTS" not in os.environ, reason="takes many minutes"),
    pytest.mark.skipif(not CCP_DIR.is_dir(), reason=f"Clothing Co-Parsing is not at {CCP_DIR}"),
]


def must_run(module, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], cwd=REPO_DIR, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def photos_and_truth(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ccp")
    names = labelled_names(CCP_DIR)
    copy_part(CCP_DIR, names[:: len(names) // NUM_PHOTOS][:NUM_PHOTOS], folder / "raw")
    must_run(
        "data_prep.build_tfrecords",
        "--dataset=ccp",
        f"--raw_dir={folder / 'raw'}",
        f"--data_dir={folder / 'prepared'}",
        "--val_percent=0",
    )
    prepared = open_prepared(folder / "prepared")
    return folder / "raw" / "photos", true_garments(prepared.ground_truth_path("train"))


def test_twenty_photos_are_corrected_by_keys_and_mouse(photos_and_truth, tmp_path, model_cache):
    photos_dir, truth = photos_and_truth
    review_dir = tmp_path / "review"
    must_run("tfseg.predict", f"--input_dir={photos_dir}", f"--review_dir={review_dir}")
    with reviewing(review_dir) as (_, url), chromium_page() as page:
        person = BrowserPage(page, url)
        review_listed(person, truth, NUM_PHOTOS)
        assert page.inner_text("#rate").startswith("20 of 20")

    photos = read_review(review_dir).photos
    assert {photo.review for photo in photos.values()} == {"accepted"}
    for name, garments in truth.items():
        found = Counter(instance.category for instance in photos[name].instances)
        assert found == Counter(garment.category for garment in garments), name
    lines = (review_dir / DECISIONS_NAME).read_text().splitlines()
    assert Counter(json.loads(line)["action"] for line in lines) == person.done
    assert {"accept", "delete", "add", "redraw"} <= set(person.done)
    (figures,) = review_figures.of_rounds(review_dir, NUM_PHOTOS, truth)
    assert figures["missing"] == 0
    assert figures["mean_iou"] > 0.8
