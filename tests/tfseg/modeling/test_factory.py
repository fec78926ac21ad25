from pathlib import Path

import numpy as np
import pytest

from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow

EFFICIENTNET = (
    "task.model.backbone.type=efficientnet",
    "task.model.backbone.efficientnet.model_id=b0",
    "task.model.backbone.efficientnet.se_ratio=0.0",
)


def _build(*overrides):
    from tfseg.modeling import factory

    prepared = small_experiment.open_written(Path("prepared"))
    params = small_experiment.build(prepared, "task.model.min_level=2", *overrides)
    return factory.build_model(params.task)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_model_has_the_weights_of_model_gardens_own_task(precision):
    import tf_keras
    from official.vision.tasks import maskrcnn

    from tfseg.modeling import factory

    prepared = small_experiment.open_written(Path("prepared"))
    no_sync = "task.model.norm_activation.use_sync_bn=false"
    task = small_experiment.build(prepared, no_sync, "task.freeze_backbone=true").task
    tf_keras.mixed_precision.set_global_policy(precision)
    try:
        tf_keras.utils.set_random_seed(3)
        ours = factory.build_model(task)
        tf_keras.utils.set_random_seed(3)
        theirs = maskrcnn.MaskRCNNTask(task).build_model()
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")

    assert len(ours.weights) == len(theirs.weights) > 100
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert one.shape == other.shape
        np.testing.assert_array_equal(one, other, one.name)
    assert len(ours.trainable_weights) == len(theirs.trainable_weights)
    # The weight decay of each kernel, and what the detections are suppressed by.
    assert len(ours.losses) == len(theirs.losses) > 10
    configs = [model.detection_generator.get_config() for model in (ours, theirs)]
    assert configs[0] == configs[1] and configs[0]["nms_version"] == "v2"


@pytest.mark.parametrize("backbone", [(), EFFICIENTNET], ids=["resnet", "efficientnet"])
def test_a_backbone_frozen_up_to_a_level_does_not_change_those_features(backbone):
    import tensorflow as tf

    model = _build("task.freeze_backbone_level=2", *backbone)
    images = tf.random.stateless_normal([2, 64, 64, 3], [1, 2])
    trained = model.backbone.trainable_variables
    before = model.backbone(images, training=False)

    with tf.GradientTape() as tape:
        features = model.backbone(images, training=True)
        loss = tf.add_n([tf.reduce_sum(tf.square(one)) for one in features.values()])
    for variable, gradient in zip(trained, tape.gradient(loss, trained), strict=True):
        if gradient is not None:
            variable.assign_sub(0.01 * tf.sign(gradient))

    after = model.backbone(images, training=False)
    assert 0 < len(trained) < len(_build(*backbone).backbone.trainable_variables)
    np.testing.assert_array_equal(after["2"], before["2"])
    assert np.abs(after["3"] - before["3"]).max() > 0
    assert all(layer.trainable for layer in model.decoder.layers)


def test_a_level_that_the_backbone_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"task.freeze_backbone_level=9: the backbone has .* 2, 3"):
        _build("task.freeze_backbone_level=9")


@pytest.fixture
def mixed_bfloat16():
    import tf_keras

    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    yield
    tf_keras.mixed_precision.set_global_policy("float32")


def test_boxes_are_not_rounded_in_mixed_precision(mixed_bfloat16):
    import tensorflow as tf

    model = _build()
    box = [100.3, 200.7, 131.1, 217.9]  # bfloat16 would make it 100.5, 201, 131, 218
    others = [[8.0 * i, 0, 8.0 * i + 7, 9] for i in range(19)]
    boxes, classes = tf.constant([[box, *others]]), tf.constant([[2, *[1] * 19]])
    (sampler,) = model.roi_sampler
    sampler._sampler.set_seeds(tf.constant([[1, 2]]))

    rois, gt_boxes, gt_classes, indices = sampler(boxes, boxes, classes)
    assert rois.dtype == gt_boxes.dtype == tf.float32
    assert np.float32(box).tolist() in gt_boxes[0].numpy().tolist()

    masks = tf.ones([1, 20, 14, 14])
    rois, _, _ = model.mask_sampler(rois, gt_boxes, gt_classes, indices, masks)
    assert rois.dtype == tf.float32 and np.float32(box).tolist() in rois[0].numpy().tolist()
