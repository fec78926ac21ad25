import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.tfseg import matches, perturbed_truth
from tfseg.evaluation import coco_metrics
from tfseg.evaluation.instance_matching import match_images, rle_from_segmentation


def test_match_gives_an_instance_to_the_best_scored_detection():
    image = matches.image([[0.6], [0.9]], [0.8, 0.7], [1, 1], [1])

    assert image.match(0.5).tolist() == [0, -1]
    assert image.match(0.75).tolist() == [-1, 0]


def test_match_needs_the_same_category():
    image = matches.image([[0.9, 0.6]], [0.8], [2], [1, 2])

    assert image.match(0.5).tolist() == [1]


def test_match_takes_the_free_instance_of_most_overlap():
    image = matches.image([[0.6, 0.7], [0.6, 0.8]], [0.9, 0.8], [1, 1], [1, 1])

    assert image.match(0.5).tolist() == [1, 0]


def test_match_in_a_crowd_counts_neither_way():
    image = matches.image([[0.9, 0.2], [0.9, 0.6]], [0.9, 0.8], [1, 1], [1, 1], crowd=[0])

    assert image.match(0.5).tolist() == [-2, 1]


def test_match_includes_an_overlap_of_exactly_the_threshold():
    assert matches.image([[0.5]], [0.9], [1], [1]).match(0.5).tolist() == [0]


@pytest.mark.parametrize("iou_type", ["mask", "box"])
def test_matches_equal_pycocotools(iou_type):
    content, results = perturbed_truth.make(30, 3, seed=5, crowds=True)
    ground_truth = coco_metrics.ground_truth_from_content(content)
    reference = COCO()
    reference.dataset = content
    reference.createIndex()
    left_out = {"mask": "bbox", "box": "segmentation"}[iou_type]
    given = [{k: v for k, v in result.items() if k != left_out} for result in results]
    evaluation = COCOeval(
        reference, reference.loadRes(given), {"mask": "segm", "box": "bbox"}[iou_type]
    )
    evaluation.evaluate()
    expected = {}  # result's index -> annotation id, 0 for none; of area "all", IoU .5
    for entry in evaluation.evalImgs[: len(evaluation.evalImgs)]:
        if entry is not None and entry["aRng"] == [0, 1e10]:
            for detection, annotation, ignored in zip(
                entry["dtIds"], entry["dtMatches"][0], entry["dtIgnore"][0], strict=True
            ):
                expected[detection - 1] = -2 if ignored else int(annotation)

    got = {}
    for image in match_images(ground_truth, results, iou_type):
        for index, instance in zip(image.result_indices, image.match(0.5), strict=True):
            got[int(index)] = (
                int(image.annotation_ids[instance]) if instance >= 0 else {-1: 0, -2: -2}[instance]
            )

    assert got == expected
    assert {-2, 0} < set(got.values())


def test_match_images_has_images_without_anything():
    content, _ = perturbed_truth.make(3, 2, seed=1)
    content["annotations"] = []

    images = match_images(coco_metrics.ground_truth_from_content(content), [])

    assert [image.image_id for image in images] == [100, 101, 102]
    assert [image.iou.shape for image in images] == [(0, 0)] * 3


@pytest.mark.parametrize(
    "segmentation",
    [
        [[1, 1, 4, 1, 4, 3, 1, 3]],
        {"size": [5, 6], "counts": [6, 2, 3, 2, 3, 2, 12]},
        coco_mask.frPyObjects({"size": [5, 6], "counts": [6, 2, 3, 2, 3, 2, 12]}, 5, 6),
    ],
)
def test_rle_from_segmentation_takes_every_form(segmentation):
    expected = np.zeros((5, 6), np.uint8)
    expected[1:3, 1:4] = 1

    np.testing.assert_array_equal(
        coco_mask.decode(rle_from_segmentation(segmentation, 5, 6)), expected
    )
