"""Damaged files of reviews, masks and pseudo labels: read, or refused by a ValueError with a file.

What is read has to bear all that comes after it: the page's order, the COCO json, the data set.
"""

import json
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_prep.auto_mask.store import MaskStore, PhotoMasks, ProductMask
from data_prep.build.splits import SplitPlan
from data_prep.datasets.pseudo.reader import PredictedRecord, read_detections, read_tags
from data_prep.datasets.pseudo.selection import SelectionRules
from data_prep.datasets.reviewed.reader import open_raw_dataset
from data_prep.readers.review_folder import read_review
from data_prep.review.garments.session import GarmentSession
from data_prep.review.garments.store import GarmentStore
from tests.data_prep.datasets.test_reviewed_build import BAG, TOP, Review
from tests.fuzz.damage import FUZZ, damaged_bytes, damaged_json
from tfseg.structures import thresholds

pytestmark = pytest.mark.slow

REVIEW_FILES = ("review.json", "predictions.jsonl", "decisions.jsonl", "splits.json")


@pytest.fixture(scope="module")
def review(tmp_path_factory):
    review = Review(tmp_path_factory.mktemp("review"))
    for number in range(3):
        review.accepted(number)
    review.predict("003.jpg", TOP, BAG, dhash="00ff00ff00ff00ff")
    review.decide("003.jpg", "redraw", "accepted", BAG)
    open_raw_dataset(review.folder, None, SplitPlan())
    return review.folder


def use_review(folder, name):
    """All that is made of a review folder; `name` is the damaged file."""
    try:
        read_review(folder)
        with GarmentStore(folder) as store:
            json.dumps(GarmentSession(store, folder.parent / "photos").listed(), allow_nan=False)
            json.dumps(store.coco(), allow_nan=False)
        raw = open_raw_dataset(folder, None, SplitPlan())
        for source in raw.sources:
            for record in source.records([key.image_id for key in source.keys]):
                source.converter(record)
    except ValueError as error:
        assert name in str(error) or "no photos" in str(error) or "is accepted" in str(error)
        assert len(str(error)) < 800


@pytest.mark.parametrize("name", REVIEW_FILES)
@FUZZ
@given(drawn=st.data())
def test_values_of_review_files(review, tmp_path_factory, name, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed_review"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(review, folder)
    path = folder / name
    if name.endswith("jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        damaged = drawn.draw(damaged_json(lines))
        lines = damaged if isinstance(damaged, list) else [damaged]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    else:
        path.write_text(json.dumps(drawn.draw(damaged_json(json.loads(path.read_text())))))
    use_review(folder, name)


@pytest.mark.parametrize("name", REVIEW_FILES)
@FUZZ
@given(drawn=st.data())
def test_bytes_of_review_files(review, tmp_path_factory, name, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed_review"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(review, folder)
    (folder / name).write_bytes(drawn.draw(damaged_bytes((review / name).read_bytes())))
    use_review(folder, name)


RULES = SelectionRules({"bag": 0.9}, 0.7, 0.2, 0.5)
IDS = {"bag": 1, "top": 2}
DETECTIONS = [
    {
        "file_name": "a.jpg",
        "category_id": IDS[garment["category"]],
        "category_name": garment["category"],
        "score": garment["score"],
        "segmentation": {"size": [60, 40], "counts": garment["counts"]},
    }
    for garment in (TOP, BAG, TOP)
]


@FUZZ
@given(content=damaged_json(DETECTIONS))
def test_predictions_for_pseudo_labels(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    try:
        by_name = read_detections(path, IDS)
    except ValueError as error:
        assert "fuzzed.json" in str(error)
        return
    for name, entries in by_name.items():
        photo = PredictedRecord(1, name, tuple(entries), IDS, RULES, frozenset({"top"})).raw_photo()
        assert len(photo.instances) + len(photo.dropped) == len(entries)


TAGS = {"a.jpg": ["bag", "top"], "b.jpg": []}


@FUZZ
@given(content=damaged_json(TAGS))
def test_tags(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    try:
        tags = read_tags(path)
    except ValueError as error:
        assert "fuzzed.json" in str(error)
        return
    assert all(isinstance(name, str) for names in tags.values() for name in names)


TUNED = {
    "score_thresholds": {"bag": 0.4, "top": 0.55},
    "default_score_threshold": 0.5,
    "nms_iou": 0.6,
    "attribute_thresholds": {"red": 0.5},
    "metric": "f1",
    "split": "val",
}


@FUZZ
@given(content=damaged_json(TUNED))
def test_thresholds(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_text(json.dumps(content))
    try:
        tuned = thresholds.load(path)
    except ValueError as error:
        assert "fuzzed.json" in str(error)
        return
    assert all(0 <= one <= 1 for one in tuned.score_thresholds.values())
    assert tuned.default_score_threshold is None or 0 <= tuned.default_score_threshold <= 1


@pytest.fixture(scope="module")
def masks_journal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("masks")
    with MaskStore(folder) as store:
        for name in ("top/a.jpg", "top/b.jpg"):
            product = ProductMask("top", TOP["counts"])
            store.add(PhotoMasks(name, 60, 40, 0.9, (product,), ("grey",), photo_state=(5, 6)))
    return (folder / "masks.jsonl").read_bytes()


@FUZZ
@given(drawn=st.data())
def test_journal_of_product_masks(masks_journal, tmp_path_factory, drawn):
    folder = tmp_path_factory.getbasetemp() / "fuzzed_masks"
    folder.mkdir(exist_ok=True)
    records = [json.loads(line) for line in masks_journal.splitlines()]
    if drawn.draw(st.booleans()):
        damaged = drawn.draw(damaged_json(records))
        lines = damaged if isinstance(damaged, list) else [damaged]
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    else:
        content = drawn.draw(damaged_bytes(masks_journal))
    (folder / "masks.jsonl").write_bytes(content)
    try:
        with MaskStore(folder) as store:
            store.write()
    except ValueError as error:
        assert "masks.jsonl" in str(error)
        return
    for name in ("instances.json", "masks.csv"):
        assert (folder / name).is_file()


def test_photos_of_the_review_are_read(review):
    """Without damage nothing is refused."""
    raw = open_raw_dataset(review, None, SplitPlan())
    assert sum(len(source.keys) for source in raw.sources) == 4
    assert cv2.imread(str(review.parent / "photos" / "003.jpg")).dtype == np.uint8
