import json
import re

import numpy as np
import pytest

from tests.data_prep.built_modanet import build
from tests.data_prep.raw_modanet import many_photos
from tests.tfseg.entry_points import run
from tfseg.dataloaders import anchor_fit

SIZE_HW = (64, 96)


def all_anchors(anchors):
    """float [num_anchors, 4] of Model Garden's own generator."""
    from official.vision.ops import anchor

    generator = anchor.build_anchor_generator(
        anchors.min_level,
        anchors.max_level,
        anchors.num_scales,
        list(anchors.aspect_ratios),
        anchors.anchor_size,
    )
    levels = generator(image_size=SIZE_HW)
    return np.concatenate([np.reshape(boxes, (-1, 4)) for boxes in levels.values()])


def iou(box, others):
    lower = np.maximum(box[:2], others[:, :2])
    upper = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.clip(upper - lower, 0, None), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return common / (np.prod(box[2:] - box[:2]) + areas - common)


@pytest.mark.parametrize(("size", "scales"), [(4.0, 2), (8.0, 1), (2.0, 3)])
def test_the_best_iou_is_the_best_of_all_anchors(size, scales):
    anchors = anchor_fit.Anchors(size, scales, (0.5, 1.0, 2.0), 2, 5)
    random = np.random.default_rng(2)
    corner = random.uniform(0, 1, (60, 2)) * SIZE_HW
    far = np.minimum(corner + random.uniform(2, 60, (60, 2)), SIZE_HW)
    yxyx = np.concatenate([corner, far], axis=1)
    yxyx = yxyx[(far - corner).min(axis=1) > 1]
    everything = all_anchors(anchors)
    assert anchors.num_in(SIZE_HW) == len(everything)

    found = anchor_fit.best_iou(anchor_fit.Boxes(yxyx, np.ones(len(yxyx), int)), anchors, SIZE_HW)

    expected = [iou(box, everything).max() for box in yxyx]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_boxes_are_those_the_network_sees(tmp_path):
    path = tmp_path / "instances_train.json"
    truth = {
        "images": [{"id": 7, "height": 128, "width": 96}, {"id": 8, "height": 64, "width": 96}],
        "annotations": [
            {"image_id": 7, "category_id": 2, "bbox": [10, 20, 30, 40]},
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 5, 5], "iscrowd": 1},
            {"image_id": 8, "category_id": 1, "bbox": [0, 0, 0, 5]},
        ],
    }
    path.write_text(json.dumps(truth))
    boxes = anchor_fit.read_boxes(path, SIZE_HW, 9)
    np.testing.assert_allclose(boxes.yxyx, [[10, 5, 30, 20]])
    assert boxes.category_ids.tolist() == [2]
    with pytest.raises(ValueError, match=r"instances_train\.json: has no box"):
        anchor_fit.read_boxes(path, SIZE_HW, 0)


def test_the_command_names_the_best(tmp_path):
    many_photos(20).write(tmp_path / "raw")
    build(tmp_path / "raw", tmp_path / "prepared")

    done = run("tfseg.anchors", tmp_path, "--config=street_r18_384", "--data_dir=prepared")

    assert done.returncode == 0, done.stderr
    assert re.search(r"input 384 x 256; anchors of size 4, 1 within a factor of two", done.stdout)
    assert re.search(r"4 +1 +\d+% +\d+% +[\d,]+  \(the recipe's\)", done.stdout)
    assert re.search(r"fits best: --params_override=task.model.anchor.anchor_size=\d", done.stdout)
    assert "aspect_ratios" not in done.stdout


def test_other_aspect_ratios_can_be_tried(tmp_path):
    many_photos(20).write(tmp_path / "raw")
    build(tmp_path / "raw", tmp_path / "prepared")
    command = ["--config=street_r18_384", "--data_dir=prepared"]

    done = run("tfseg.anchors", tmp_path, *command, "--aspect_ratios=0.25,0.5,1,2,4")

    assert done.returncode == 0, done.stderr
    assert "others have the ratios 0.25, 0.5, 1, 2, 4" in done.stdout
    found = re.findall(r"^ +4 +1 +\d+% +\d+% +([\d,]+)( .*recipe's.*)?$", done.stdout, re.M)
    count = {bool(mark): int(number.replace(",", "")) for number, mark in found}
    assert 3 * count[False] == 5 * count[True]
    assert "task.model.anchor.aspect_ratios=[0.25,0.5,1.0,2.0,4.0]" in done.stdout


def test_aspect_ratios_that_are_none_are_refused(tmp_path):
    many_photos(20).write(tmp_path / "raw")
    build(tmp_path / "raw", tmp_path / "prepared")
    command = ["--config=street_r18_384", "--data_dir=prepared"]

    done = run("tfseg.anchors", tmp_path, *command, "--aspect_ratios=1,wide")

    assert done.returncode == 1
    assert "--aspect_ratios=1,wide: expected numbers above 0" in done.stderr
