import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from data_prep.readers.review_folder import read_review
from tfseg.prediction.photo_files import PhotoFile, common_folder
from tfseg.prediction.review_journal import ReviewJournal
from tfseg.prediction.review_run import (
    OtherModel,
    ReviewPrediction,
    difference_hash,
    disagreement,
    mirrored,
)
from tfseg.structures.detections import Detections
from tfseg.structures.review_predictions import ReviewSettings
from tfseg.structures.thresholds import Thresholds


def detections(*found):
    """Of (category id, score, columns), each the full height of a 4 x 8 photo."""
    rles = []
    for _, _, columns in found:
        mask = np.zeros((4, 8), np.uint8)
        mask[:, columns] = 1
        rle = coco_mask.encode(np.asfortranarray(mask))
        rles.append({"size": [4, 8], "counts": rle["counts"].decode()})
    return Detections(
        np.zeros((len(found), 4), np.float32),
        np.array([score for _, score, _ in found], np.float32),
        np.array([category_id for category_id, _, _ in found], np.int32),
        tuple(f"category {category_id}" for category_id, _, _ in found),
        tuple(rles),
        (4, 8),
    )


@pytest.mark.parametrize(
    ("first", "of_mirror_image", "expected"),
    [
        ([(1, 0.9, slice(0, 2))], [(1, 0.9, slice(6, 8))], 0),
        ([(1, 0.9, slice(0, 2))], [(1, 0.9, slice(0, 2))], 1),
        ([(1, 0.9, slice(0, 2))], [(2, 0.9, slice(6, 8))], 1),
        ([(1, 0.8, slice(0, 2))], [(1, 0.8, slice(5, 8))], 1 / 3),  # IoU 2 / 3
        ([(1, 0.6, slice(0, 2))], [], 1),
        ([(1, 0.6, slice(0, 2)), (2, 0.2, slice(4, 6))], [(1, 0.6, slice(6, 8))], 0.2 / 1.4),
        ([], [], 0),
    ],
)
def test_disagreement_with_the_mirrored_photo(first, of_mirror_image, expected):
    found = disagreement(detections(*first), mirrored(detections(*of_mirror_image)))
    assert found == pytest.approx(expected, abs=1e-6)


def outputs(*found):
    """A model's answer to one photo, of what `detections` takes."""
    one = detections(*found)
    return {
        "ok": np.array([True]),
        "error": np.array([b""]),
        "num_detections": np.array([len(one)]),
        "image_size_hw": np.array([[4, 8]]),
        "boxes_yxyx": one.boxes_yxyx[None],
        "scores": one.scores[None],
        "class_ids": one.category_ids[None],
        "class_names": np.array([[name.encode() for name in one.category_names]], object),
        "mask_rle": np.array([[rle["counts"].encode() for rle in one.rles]], object),
    }


@pytest.mark.parametrize(
    ("found", "found_by_other", "expected"),
    [
        ([(1, 0.9, slice(0, 2))], [(1, 0.7, slice(0, 2))], 0),
        ([(1, 0.9, slice(0, 2))], [], 1),
        ([(1, 0.9, slice(0, 2))], [(1, 0.05, slice(0, 2))], 1),  # below the threshold
        ([], [(1, 0.9, slice(0, 2))], 1),
        ([(1, 0.5, slice(0, 2))], [(1, 0.5, slice(0, 2)), (1, 1.0, slice(4, 6))], 0.5),
        ([(1, 0.9, slice(0, 2)), (3, 0.9, slice(4, 8))], [(1, 0.9, slice(0, 2))], 0),  # its own
    ],
)
def test_what_another_model_sees_otherwise(tmp_path, found, found_by_other, expected):
    photo = tmp_path / "a.png"
    cv2.imwrite(str(photo), np.zeros((4, 8, 3), np.uint8))
    low = Thresholds({}, 0.2, None)
    other = OtherModel(lambda _: outputs(*found_by_other), low, {"category 1", "category 2"})
    run = ReviewPrediction(lambda _: outputs(*found), low, False, tmp_path / "review", other)
    settings = ReviewSettings("m", str(tmp_path), ("category 1",), 0.2, {}, None, False, "other")

    with ReviewJournal(tmp_path / "review", settings) as journal:
        run.run([PhotoFile(photo, "a.png")], journal, 2)

    read = read_review(tmp_path / "review")
    assert read.settings.compared_with == "other"
    assert read.photos["a.png"].model_disagreement == pytest.approx(expected, abs=1e-4)
    assert read.photos["a.png"].flip_disagreement is None


def test_difference_hash_stands_scaling_and_tells_others_apart():
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (9, 7, 3)).astype(np.uint8)
    photo = cv2.resize(small, (280, 360), interpolation=cv2.INTER_CUBIC)
    half = cv2.resize(photo, (140, 180), interpolation=cv2.INTER_AREA)
    other = cv2.flip(photo, 0)

    def distance(a, b):
        return bin(int(difference_hash(a), 16) ^ int(difference_hash(b), 16)).count("1")

    assert len(difference_hash(photo)) == 16
    assert distance(photo, half) <= 2
    assert distance(photo, other) > 12


def test_difference_hash_of_a_slope():
    slope = np.repeat(np.arange(0, 180, 10, dtype=np.uint8)[None, :, None], 16, axis=0)
    rgb = np.repeat(slope, 3, axis=2)
    assert difference_hash(rgb) == "f" * 16
    assert difference_hash(rgb[:, ::-1]) == "0" * 16


def test_common_folder_is_what_names_are_relative_to(tmp_path):
    photos = [PhotoFile(tmp_path / "x" / ".." / "shop" / "a.jpg", "shop/a.jpg")]
    assert common_folder(photos) == tmp_path
