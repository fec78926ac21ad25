from pathlib import Path

import numpy as np
import pytest

from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow


def test_one_device_learns_as_with_synchronised_normalization(tmp_path):
    """Model Garden's model and ours of the same weights: features, and what a batch leaves."""
    import tensorflow as tf
    from official.vision.tasks import maskrcnn

    from tfseg.modeling import factory

    params = small_experiment.build(
        small_experiment.open_written(Path("prepared")), "trainer.train_steps=1"
    )
    ours = factory.build_model(params.task)
    theirs = maskrcnn.MaskRCNNTask(params.task).build_model()
    path = tf.train.Checkpoint(model=theirs).write(str(tmp_path / "weights"))
    tf.train.Checkpoint(model=ours).read(path).assert_consumed()
    images = tf.random.stateless_normal([4, 64, 64, 3], [1, 2])

    features = [model.decoder(model.backbone(images, training=True), training=True)
                for model in (ours, theirs)]  # fmt: skip

    for level in ("3", "4", "5"):
        np.testing.assert_allclose(features[0][level], features[1][level], atol=1e-3)
    for one, other in zip(ours.backbone.variables, theirs.backbone.variables, strict=True):
        # The fused kernel keeps the unbiased variance: of 16 pixels a channel here, 1/15 more.
        atol = 1e-3 if "moving_variance" in one.name else 1e-5
        np.testing.assert_allclose(one, other, atol=atol, err_msg=one.name)
    assert params.task.model.norm_activation.use_sync_bn


def test_an_input_size_that_is_no_multiple_of_the_stride_is_padded():
    import tensorflow as tf

    from tfseg.modeling import factory

    params = small_experiment.build(
        small_experiment.open_written(Path("prepared")), "task.model.input_size=[50,70,3]"
    )
    model = factory.build_model(params.task)
    stride = 2**params.task.model.max_level
    padded = [-(-side // stride) * stride for side in (50, 70)]
    outputs = model(
        tf.zeros([1, *padded, 3]), image_shape=tf.constant([[50.0, 70.0]]), training=False
    )

    assert padded != [50, 70]
    assert outputs["detection_boxes"].shape[0] == 1
    assert params.task.model.input_size == [50, 70, 3]
