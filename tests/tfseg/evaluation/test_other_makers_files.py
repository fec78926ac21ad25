"""Detections equal to the truth get 100, however either file was written."""

import copy
import json

import pytest
from pycocotools import mask as coco_mask

from tfseg.evaluation import coco_metrics, coco_results

POLYGONS = ([[10, 10, 50, 10, 50, 60, 10, 60]], [[5, 5, 30, 5, 30, 40, 5, 40]])
CATEGORIES = [{"id": 1, "name": "top"}, {"id": 2, "name": "pants"}]


def truth_and_results():
    images, annotations, results = [], [], []
    for image_id in range(1, 7):
        images.append({"id": image_id, "file_name": f"{image_id}.jpg", "width": 64, "height": 80})
        for category_id, polygon in enumerate(POLYGONS, start=1):
            rle = coco_mask.frPyObjects(polygon, 80, 64)[0]
            rle["counts"] = rle["counts"].decode()
            bbox = coco_mask.toBbox(rle).tolist()
            entry = {"image_id": image_id, "category_id": category_id, "bbox": bbox}
            annotation = {"id": len(annotations) + 1, "area": float(coco_mask.area(rle))}
            annotation |= {**entry, "segmentation": polygon, "iscrowd": 0}
            annotations.append(annotation)
            results.append({**entry, "segmentation": rle, "score": 0.9})
    return {"images": images, "annotations": annotations, "categories": CATEGORIES}, results


def from_zero(truth, results):
    for number, annotation in enumerate(truth["annotations"]):
        annotation["id"] = number


def repeated(truth, results):
    for annotation in truth["annotations"]:
        annotation["id"] = annotation["category_id"]


def without_ids(truth, results):
    for annotation in truth["annotations"]:
        del annotation["id"]


def texts_in_results(truth, results):
    for result in results:
        result |= {"image_id": str(result["image_id"]), "score": "0.9"}


def texts_in_both(truth, results):
    texts_in_results(truth, results)
    for image in truth["images"]:
        image["id"] = str(image["id"])
    for annotation in truth["annotations"]:
        annotation |= {"image_id": str(annotation["image_id"]), "iscrowd": "0"}


def nothing_more(truth, results):
    for annotation in truth["annotations"]:
        for key in ("area", "bbox", "iscrowd"):
            del annotation[key]


@pytest.mark.parametrize(
    "written",
    [lambda t, r: None, from_zero, repeated, without_ids, texts_in_results, texts_in_both,
     nothing_more],
)  # fmt: skip
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_equal_to_the_truth_is_100(tmp_path, written, mark):
    truth, results = copy.deepcopy(truth_and_results())
    written(truth, results)
    (tmp_path / "t.json").write_bytes(mark + json.dumps(truth).encode())
    (tmp_path / "r.json").write_bytes(mark + json.dumps(results).encode())

    ground_truth = coco_metrics.load_ground_truth(tmp_path / "t.json")
    read = coco_results.read_results(tmp_path / "r.json", ground_truth)
    metrics = coco_metrics.evaluate_coco(ground_truth, read)

    assert metrics["mask/AP"] == metrics["box/AP"] == 1.0
    assert metrics["mask/AP/top"] == metrics["mask/AP/pants"] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": []}, r"annotation 4 has no mask \(segmentation \[\]\); masks are judged"),
        ({"segmentation": None}, "annotation 4 has no mask"),
        ({"iscrowd": "maybe"}, "annotation 4 has iscrowd 'maybe', expected 0 or 1"),
        ({"image_id": "a.jpg"}, "annotation 4 has image_id 'a.jpg', expected a whole number"),
    ],
)
def test_what_cannot_be_judged_is_named(tmp_path, change, message):
    truth, _ = truth_and_results()
    truth["annotations"][3] |= change
    (tmp_path / "t.json").write_text(json.dumps(truth))
    with pytest.raises(ValueError, match=message):
        coco_metrics.load_ground_truth(tmp_path / "t.json")


def test_results_in_place_of_the_truth_are_called_so(tmp_path):
    _, results = truth_and_results()
    (tmp_path / "t.json").write_text(json.dumps(results))
    with pytest.raises(ValueError, match="a list, as results are, expected an object"):
        coco_metrics.load_ground_truth(tmp_path / "t.json")


def test_boxes_by_their_corners_are_refused(tmp_path):
    truth, results = truth_and_results()
    for result in results:
        x, y, width, height = result["bbox"]
        result["bbox"] = [x, y, x + width, y + height]
    (tmp_path / "t.json").write_text(json.dumps(truth))
    (tmp_path / "r.json").write_text(json.dumps(results))
    ground_truth = coco_metrics.load_ground_truth(tmp_path / "t.json")
    with pytest.raises(ValueError, match=r"bbox of entry 0 .* COCO's is \[x, y, width, height\]"):
        coco_results.read_results(tmp_path / "r.json", ground_truth)
