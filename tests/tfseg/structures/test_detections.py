import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tfseg.structures.detections import (
    Detections,
    detections_from_coco_results,
    detections_from_outputs,
    mask_from_rle,
)

# A 4x5 photo: a belt two pixels high, and boots of one pixel in the corner.
BELT_MASK = np.array(
    [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ],
    np.uint8,
)
BOOTS_MASK = np.zeros((4, 5), np.uint8)
BOOTS_MASK[3, 4] = 1


def counts_of(mask):
    return coco_mask.encode(np.asfortranarray(mask))["counts"]


def make_outputs():
    """Two photos: one that failed, one with two detections; K is 2."""
    return {
        "ok": np.array([False, True]),
        "error": np.array([b"the image is empty (0 bytes)", b""], object),
        "num_detections": np.array([0, 2], np.int32),
        "boxes_yxyx": np.array([[[0] * 4] * 2, [[1, 1, 3, 4], [3, 4, 4, 5]]], np.float32),
        "class_ids": np.array([[0, 0], [2, 3]], np.int32),
        "class_names": np.array([[b"", b""], [b"belt", b"boots"]], object),
        "scores": np.array([[0, 0], [0.75, 0.25]], np.float32),
        "mask_rle": np.array([[b"", b""], [counts_of(BELT_MASK), counts_of(BOOTS_MASK)]], object),
        "image_size_hw": np.array([[0, 0], [4, 5]], np.int32),
    }


def test_detections_from_outputs_reads_one_photo():
    detections = detections_from_outputs(make_outputs(), 1)

    assert len(detections) == 2
    assert detections.category_names == ("belt", "boots")
    assert detections.category_ids.tolist() == [2, 3]
    assert detections.scores.tolist() == [0.75, 0.25]
    assert detections.boxes_yxyx.tolist() == [[1, 1, 3, 4], [3, 4, 4, 5]]
    assert detections.image_size_hw == (4, 5)
    assert detections.rles[0]["size"] == [4, 5]
    assert isinstance(detections.rles[0]["counts"], str)


def test_detections_from_outputs_cuts_padding_off():
    outputs = make_outputs()
    outputs["num_detections"] = np.array([0, 1], np.int32)

    detections = detections_from_outputs(outputs, 1)

    assert detections.category_names == ("belt",)
    assert detections.boxes_yxyx.shape == (1, 4)


def test_detections_from_outputs_photo_without_detections():
    outputs = make_outputs()
    outputs["num_detections"] = np.array([0, 0], np.int32)

    detections = detections_from_outputs(outputs, 1)

    assert len(detections) == 0
    assert detections.decode_masks().shape == (0, 4, 5)
    assert detections.to_coco_results(7) == []


def test_detections_from_outputs_failed_photo():
    with pytest.raises(ValueError, match=r"image 0 .*the image is empty \(0 bytes\)"):
        detections_from_outputs(make_outputs(), 0)


def test_detections_from_outputs_reply_of_another_model():
    with pytest.raises(ValueError, match="has no ok, .*mask_rle.*only detection_boxes; expected"):
        detections_from_outputs({"detection_boxes": np.zeros((1, 1, 4))}, 0)


def test_decode_masks():
    masks = detections_from_outputs(make_outputs(), 1).decode_masks()

    assert masks.dtype == np.uint8
    assert masks.tolist() == [BELT_MASK.tolist(), BOOTS_MASK.tolist()]


def test_to_coco_results():
    results = detections_from_outputs(make_outputs(), 1).to_coco_results(image_id=9)

    assert results[0] == {
        "image_id": 9,
        "category_id": 2,
        "category_name": "belt",
        "bbox": [1.0, 1.0, 3.0, 2.0],
        "score": 0.75,
        "segmentation": {"size": [4, 5], "counts": "52200O4"},
    }
    assert results[1]["bbox"] == [4.0, 3.0, 1.0, 1.0]


def test_coco_results_round_trip():
    detections = detections_from_outputs(make_outputs(), 1)

    again = detections_from_coco_results(detections.to_coco_results(9), (4, 5))

    assert again.boxes_yxyx.tolist() == [[1, 1, 3, 4], [3, 4, 4, 5]]
    assert again.scores.tolist() == [0.75, 0.25]
    assert again.category_ids.tolist() == [2, 3]
    assert again.category_names == ("belt", "boots")
    assert again.decode_masks().tolist() == [BELT_MASK.tolist(), BOOTS_MASK.tolist()]


def test_detections_from_coco_results_names_by_id():
    results = detections_from_outputs(make_outputs(), 1).to_coco_results(9)
    del results[0]["category_name"]

    again = detections_from_coco_results(results, (4, 5), category_names=("bag", "belt"))

    assert again.category_names == ("belt", "boots")


def test_detections_from_coco_results_unknown_category():
    results = detections_from_outputs(make_outputs(), 1).to_coco_results(9)
    del results[1]["category_name"]

    with pytest.raises(ValueError, match="COCO result 1: category_id 3 .*1 to 2"):
        detections_from_coco_results(results, (4, 5), category_names=("bag", "belt"))


def test_detections_from_coco_results_missing_field():
    with pytest.raises(ValueError, match="COCO result 0: no bbox, segmentation"):
        detections_from_coco_results([{"category_id": 1, "score": 0.5}], (4, 5))


def test_detections_from_coco_results_none():
    detections = detections_from_coco_results([], (4, 5))

    assert detections.boxes_yxyx.shape == (0, 4)
    assert detections.decode_masks().shape == (0, 4, 5)


@pytest.mark.parametrize(
    ("score_threshold", "names"),
    [(0.0, ("belt", "boots")), (0.25, ("belt", "boots")), (0.3, ("belt",)), (0.8, ())],
)
def test_keep(score_threshold, names):
    kept = detections_from_outputs(make_outputs(), 1).keep(score_threshold)

    assert kept.category_names == names
    assert kept.boxes_yxyx.shape == (len(names), 4)
    assert len(kept.decode_masks()) == len(names)


def test_select_in_another_order():
    selected = detections_from_outputs(make_outputs(), 1).select(np.array([1, 0]))

    assert selected.category_names == ("boots", "belt")
    assert selected.decode_masks()[0].tolist() == BOOTS_MASK.tolist()


def test_detections_of_different_lengths():
    with pytest.raises(ValueError, match=r"lengths \[1, 0, 0, 0, 0\]"):
        Detections(np.zeros((1, 4)), np.zeros(0), np.zeros(0), (), (), (4, 5))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (6, 7), (300, 40)])
def test_mask_from_rle_equals_pycocotools(size):
    rng = np.random.default_rng(3)
    for density in (0.0, 0.1, 0.5, 1.0):
        mask = (rng.random(size) < density).astype(np.uint8)

        decoded = mask_from_rle({"size": list(size), "counts": counts_of(mask).decode()})

        assert decoded.tolist() == mask.tolist()


@pytest.mark.parametrize("counts", ["", "5", "52200O40", "52200O"])
def test_mask_from_rle_damaged(counts):
    with pytest.raises(ValueError, match="expected 4 x 5; the RLE is damaged"):
        mask_from_rle({"size": [4, 5], "counts": counts})


def test_import_needs_no_tensorflow():
    code = "import sys, tfseg.structures.detections; sys.exit('tensorflow' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_attributes_of_a_reply_go_through_results_and_choices():
    outputs = make_outputs()
    outputs["attributes"] = np.array([[b"", b""], [b"wide belt 0.93\nred 0.60", b""]], object)
    outputs["attribute_scores"] = np.array(
        [[[0, 0]] * 2, [[237, 153], [0, 51]]], np.uint8
    )  # fmt: skip

    detections = detections_from_outputs(outputs, 1)

    assert detections.attributes == ((("wide belt", 0.93), ("red", 0.6)), ())
    np.testing.assert_allclose(detections.attribute_scores, [[237 / 255, 0.6], [0, 0.2]], atol=1e-6)
    results = detections.to_coco_results(7)
    assert results[0]["attributes"] == [
        {"name": "wide belt", "score": 0.93},
        {"name": "red", "score": 0.6},
    ]
    assert results[1]["attributes"] == [] and "attribute_scores" not in results[0]
    with_scores = detections.to_coco_results(7, with_attribute_scores=True)
    assert with_scores[1]["attribute_scores"] == [0.0, 0.2]
    back = detections_from_coco_results(results, (4, 5))
    assert back.attributes == detections.attributes
    chosen = detections.select(np.array([1]))
    assert chosen.attributes == ((),) and chosen.attribute_scores.shape == (1, 2)
    # Most replies have the names alone.
    del outputs["attribute_scores"]
    named = detections_from_outputs(outputs, 1)
    assert named.attributes == detections.attributes and named.attribute_scores is None
    assert named.select(np.array([1])).attributes == ((),)
    # Models without the head answer, and give results, as before.
    assert "attributes" not in detections_from_outputs(make_outputs(), 1).to_coco_results(7)[0]
