"""The model in the box, asked as its users ask it."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from data_prep.sample.photo import choose_post, draw_photo
from tfseg.zoo import packaged_models

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def photo_path(tmp_path_factory):
    """A drawn, dressed person; PNG, so that every decoder gives the same pixels."""
    random = np.random.default_rng(5)
    pixels, _ = draw_photo(choose_post(random), random)
    path = tmp_path_factory.mktemp("drawn") / "photo.png"
    cv2.imwrite(str(path), pixels[..., ::-1])
    return path


@pytest.fixture(scope="module")
def segmenter(model_cache):
    from tfseg import Segmenter

    return Segmenter()


def test_two_that_start_at_once_make_one_saved_model(model_cache):
    packaged_models.saved_model.cache_clear()
    program = "from tfseg.zoo import packaged_models as p; print(p.saved_model())"
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [start.communicate(timeout=300) for start in starts]
    assert [start.returncode for start in starts] == [0, 0]
    (folder,) = {out for out, _ in printed}
    told = sorted(err for _, err in printed)
    assert told[0].startswith("making the SavedModel of fashion_lite, once, in ")
    assert told[1] == f"waiting for another process that makes {folder.strip()} ...\n"
    assert folder.strip() == str(packaged_models.saved_model())
    assert [path.name for path in packaged_models.saved_model().iterdir()] == ["1"]


def test_a_photo_in_every_form_gives_the_same_garments(segmenter, photo_path):
    pixels = cv2.imread(str(photo_path), cv2.IMREAD_COLOR_RGB)

    found = segmenter.detect(photo_path, score_threshold=0.2)
    assert len(found) > 0 and found.masks.shape == (len(found), *pixels.shape[:2])
    assert set(found.category_names) <= set(segmenter.category_names)
    as_bytes, as_array = segmenter.detect([photo_path.read_bytes(), pixels], score_threshold=0.2)
    for other in (as_bytes, as_array):
        assert other.category_names == found.category_names
        np.testing.assert_allclose(other.scores, found.scores, atol=0.02)
    assert found.draw(photo_path).shape[2] == 3
    assert all(one.shape[2] == 4 for one in found.cutouts(pixels).values())


def test_a_broken_photo_is_told_by_its_place(segmenter, photo_path):
    with pytest.raises(ValueError, match="photo 1: image 1 of the request: not an image"):
        segmenter.detect([photo_path, b"no photo"])


def test_predict_needs_no_model_to_be_named(model_cache, photo_path, tmp_path):
    command = [sys.executable, "-m", "tfseg.predict", f"--output_dir={tmp_path}", str(photo_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "overlays" / "photo.jpg").is_file()
    results = json.loads((tmp_path / "detections.json").read_text())
    assert {one["file_name"] for one in results} <= {"photo.png"}


def test_it_guides_the_automatic_masks(segmenter, photo_path):
    from data_prep.auto_mask.engines import load_engine

    photo = cv2.imread(str(photo_path))
    found = load_engine("guided")(photo)
    known = np.zeros(photo.shape[:2], bool)
    for mask, score in zip(*_masks_and_scores(segmenter.detect(photo_path)), strict=True):
        known |= mask & (score >= 0.5)
    assert known.any() and found.mask.shape == known.shape
    assert np.count_nonzero(found.mask & known) > 0.8 * np.count_nonzero(found.mask | known)


def _masks_and_scores(detections):
    return detections.masks, detections.scores


def test_what_is_not_in_the_box_is_said():
    assert packaged_models.names() == ("fashion_lite",)
    with pytest.raises(ValueError, match="no model 'fashion_huge' in the box; there are: fash"):
        packaged_models.saved_model("fashion_huge")


def test_every_model_has_its_papers():
    folder = packaged_models.folder("fashion_lite")
    names = {path.name for path in folder.iterdir()}
    assert {"params.yaml", "weights.safetensors", "model_card.md", "thresholds.json"} <= names
    assert (folder / "weights.safetensors").stat().st_size < 15e6
    metrics = json.loads((folder / "metrics.json").read_text())
    card = (folder / "model_card.md").read_text()
    assert (
        f"{100 * metrics['mask/AP50']:.1f}" in card and f"{100 * metrics['box/AP50']:.1f}" in card
    )


def test_the_page_starts_a_server_of_its_own(model_cache):
    from serving.client import SegmentationClient
    from serving.web import own_server

    with own_server.started("fashion") as address:
        assert own_server.answers(address)
        black = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
        with SegmentationClient(address, "fashion") as client:
            (found,) = client.detect([black])
        assert found.image_size_hw == (64, 64)
    assert not own_server.answers(address)
