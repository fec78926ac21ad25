"""Random COCO files -> shards -> decoded: every mask is the truth's.

The full proof, three seeds of 1,000 photos each:
    TFSEG_RANDOM_PHOTOS=1000 python -m pytest tests/data_prep/datasets/test_random_coco.py
"""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from pycocotools.coco import COCO

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.build.splits import SplitPlan
from data_prep.datasets.coco.coco_dataset_builder import Builder
from data_prep.prepared import open_prepared
from tests.data_prep.decoded import decode
from tests.data_prep.random_coco import NAMES, random_coco

pytestmark = pytest.mark.slow

NUM_PHOTOS = int(os.environ.get("TFSEG_RANDOM_PHOTOS", "60"))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_coco_survives_to_the_decoded_masks(tmp_path, seed):
    coco = random_coco(seed, NUM_PHOTOS)
    raw_dir = coco.write(tmp_path / "raw")
    options = PrepOptions(split_plan=SplitPlan(20, 20), max_bad_percent=50, num_workers=2)

    build_dataset(Builder, raw_dir, tmp_path / "prepared", options)

    prepared = open_prepared(tmp_path / "prepared")
    assert prepared.category_names == NAMES == ("scarf/tie", "bag", "dress", "Schuhe, größer")
    found = {split: decode(tmp_path / "prepared", split) for split in prepared.splits}
    usable = {image_id for image_id, photo in coco.truth.items() if photo.is_usable}
    assert sorted(i for examples in found.values() for i in examples) == sorted(usable)
    num_masks = 0
    for split, examples in found.items():
        ground_truth = COCO(prepared.ground_truth_path(split))
        for image_id, example in examples.items():
            photo = coco.truth[image_id]
            _check_example(example, photo)
            masks = [ground_truth.annToMask(a) for a in ground_truth.imgToAnns[image_id]]
            for mask, instance in zip(masks, photo.instances, strict=True):
                np.testing.assert_array_equal(mask, instance.mask)
            num_masks += len(photo.instances)
    assert num_masks > NUM_PHOTOS
    (source,) = json.loads((prepared.path / "prep_report.json").read_text())["sources"]
    assert source["photos"]["kept"] == len(usable)
    assert source["annotations"]["kept"] == num_masks


def _check_example(example, photo):
    masks = example["groundtruth_instance_masks"]
    assert len(masks) == len(photo.instances)
    height, width = example["height"], example["width"]
    assert example["image"].shape == (height, width, 3)
    if photo.kept_bytes is not None:
        np.testing.assert_array_equal(example["image"], tf.io.decode_jpeg(photo.kept_bytes))
    for index, instance in enumerate(photo.instances):
        np.testing.assert_array_equal(masks[index], instance.mask)
        assert NAMES[example["groundtruth_classes"][index] - 1] == instance.category
        assert example["groundtruth_is_crowd"][index] == instance.is_crowd
        assert example["groundtruth_area"][index] == instance.mask.sum()
        rows, columns = np.nonzero(instance.mask)
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        expected = np.array(box) / (height, width, height, width)
        np.testing.assert_allclose(example["groundtruth_boxes"][index], expected, rtol=1e-5)
