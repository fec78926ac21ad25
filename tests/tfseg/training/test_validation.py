"""What a training shows and notes of its validations."""

import json
import math
import signal

import numpy as np
import pytest

from data_prep.prepared import PreparedDataset
from tests.tfseg import drawn_examples


def write_val(folder):
    """Two photos of 1200 x 900 pixels; the second is without instances."""
    import tensorflow as tf
    from pycocotools import mask as coco_mask

    size = (1200, 900)
    prepared = PreparedDataset(folder, "drawn", ("bag",), ("val",), 1, "a", {"val": (2,)})
    mask = drawn_examples.mask(size, 300, 200, 900, 700)
    with tf.io.TFRecordWriter(prepared.record_paths("val")[0]) as writer:
        writer.write(drawn_examples.example([mask], [1], image_id=5, size_hw=size))
        writer.write(drawn_examples.example([], [], image_id=6, size_hw=size))
    rle = coco_mask.encode(np.asfortranarray(mask))
    annotation = {
        "id": 1, "image_id": 5, "category_id": 1, "bbox": [200, 300, 500, 600], "area": 300_000,
        "iscrowd": 0, "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()},
    }  # fmt: skip
    content = {
        "images": [{"id": i, "height": 1200, "width": 900} for i in (5, 6)],
        "annotations": [annotation],
        "categories": [{"id": 1, "name": "bag"}],
    }
    prepared.ground_truth_path("val").write_text(json.dumps(content))
    return prepared, annotation


def test_pictures_of_large_photos_are_small_with_truth_left_and_findings_right(tmp_path):
    from tfseg.training import validation

    prepared, annotation = write_val(tmp_path)
    doubtful = {**annotation, "score": 0.4}

    picture = validation.draw_pictures(prepared, "val", [doubtful], 4)

    assert picture.shape == (2 * 800, 2 * 600, 3)
    left, right = picture[:800, :600].astype(int), picture[:800, 600:].astype(int)
    differs = np.abs(left - right).sum(axis=2) > 0
    assert differs[400, 300] and not differs[700, 100]
    assert (picture[800:, :600] == picture[800:, 600:]).all()
    assert validation.draw_pictures(prepared, "val", [doubtful], 0) is None


@pytest.mark.parametrize("interrupted_swap", [1, 2])
def test_an_interrupt_leaves_no_weights_half_swapped(tmp_path, interrupted_swap):
    import types

    import tensorflow as tf
    from official.modeling import optimization

    from tfseg.training import validation

    weights, averages, swaps = [1, 2, 3], [7, 8, 9], []

    class Optimizer(optimization.ExponentialMovingAverage):
        def __init__(self):
            pass

        def swap_weights(self):
            swaps.append(1)
            for index in range(3):
                weights[index], averages[index] = averages[index], weights[index]
                if index == 1 and len(swaps) == interrupted_swap:
                    signal.raise_signal(signal.SIGINT)

    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    trainer = types.SimpleNamespace(optimizer=Optimizer(), strategy=strategy)
    judge = validation.Validation(None, trainer, None, "val", str(tmp_path))

    with pytest.raises(KeyboardInterrupt), judge._averaged_weights():
        assert weights == [7, 8, 9]

    assert (weights, averages) == ([1, 2, 3], [7, 8, 9])


def test_a_category_without_ground_truth_has_no_figure(tmp_path, monkeypatch):
    import types

    from tfseg.evaluation import history
    from tfseg.training import validation

    metrics = {"mask/AP": 0.7, "mask/AP50": 0.8, "mask/AP50/scarf": math.nan}
    monkeypatch.setattr(validation, "evaluate_model", lambda *_, **__: (metrics, []))
    monkeypatch.setattr(validation.recovery, "keep_best", lambda *_: None)
    monkeypatch.setattr(validation.Validation, "_serving_module", lambda self: None)
    monkeypatch.setattr(validation.Validation, "_summarize", lambda *_: None)
    params = types.SimpleNamespace(
        trainer=types.SimpleNamespace(validation_interval=5, train_steps=10)
    )
    trainer = types.SimpleNamespace(optimizer=None, strategy=None)

    validation.Validation(params, trainer, None, "val", str(tmp_path))("ckpt-10", 10)

    assert history.read_history(tmp_path) == [{"step": 10, "mask/AP": 0.7, "mask/AP50": 0.8}]
