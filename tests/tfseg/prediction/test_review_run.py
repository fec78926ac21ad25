import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.prediction.photo_files import PhotoFile, common_folder
from tfseg.prediction.review_run import difference_hash, flip_disagreement
from tfseg.structures.detections import Detections


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
        tuple("x" for _ in found),
        tuple(rles),
        (4, 8),
    )


@pytest.mark.parametrize(
    ("first", "mirrored", "expected"),
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
def test_flip_disagreement(first, mirrored, expected):
    found = flip_disagreement(detections(*first), detections(*mirrored))
    assert found == pytest.approx(expected, abs=1e-6)


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
