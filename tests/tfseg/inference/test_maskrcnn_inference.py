import numpy as np
import tensorflow as tf

from tfseg.inference import maskrcnn_inference
from tfseg.structures import thresholds


def test_photos_are_run_some_at_a_time(monkeypatch):
    sizes_hw = [(64, 32)] * 5 + [(64, 64)] * 3 + [(96, 96)] * 2
    monkeypatch.setattr(maskrcnn_inference, "MAX_PIXELS_AT_ONCE", 2 * 64 * 64)

    bounds = maskrcnn_inference._bounds_of_runs(tf.constant(sizes_hw))

    assert bounds.numpy().tolist() == [[0, 4], [4, 5], [5, 7], [7, 8], [8, 9], [9, 10]]


def test_suppress_equals_the_definition():
    rng = np.random.default_rng(5)
    low = rng.uniform(0, 40, (4, 60, 2))
    boxes = np.concatenate([low, low + rng.uniform(10, 40, low.shape)], -1).astype(np.float32)
    # A chain: each suppresses the next, so that every second one stays.
    boxes[0, :20] = [[0, 4 * index, 10, 4 * index + 10] for index in range(20)]
    class_ids = rng.integers(1, 3, (4, 60)).astype(np.int32)
    class_ids[0, :20] = 1
    kept = np.ones((4, 60), bool)
    kept[1:, 10:20] = False

    result = maskrcnn_inference._suppress(*map(tf.constant, (boxes, class_ids, kept)), nms_iou=0.4)

    assert result[0, :20].numpy().tolist() == [True, False] * 10
    for row in range(4):
        expected = kept[row].copy()
        scores = -np.arange(60.0)[kept[row]]
        expected[kept[row]] = thresholds.nms(
            boxes[row][kept[row]], scores, class_ids[row][kept[row]], 0.4
        )
        assert 5 < expected.sum() < kept[row].sum()
        np.testing.assert_array_equal(result[row], expected)
