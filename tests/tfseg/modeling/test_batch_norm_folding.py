import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.vision.configs import backbones, common, decoders, maskrcnn
from official.vision.modeling import factory

from tfseg.modeling.batch_norm_folding import BATCH_NORMS, fold_batch_norm
from tfseg.ops import winograd

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["own", "synchronised", "winograd"])
def trained_model(request):
    """A small Mask R-CNN whose normalizations all do something; the last with many channels."""
    num_filters = winograd.MIN_CHANNELS if request.param == "winograd" else 16
    tf_keras.utils.set_random_seed(2)
    config = maskrcnn.MaskRCNN(
        num_classes=4,
        input_size=[64, 64, 3],
        min_level=3,
        max_level=6,  # above the backbone's levels: the pyramid then uses level 5 twice
        backbone=backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=50)),
        decoder=decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=num_filters)),
        rpn_head=maskrcnn.RPNHead(num_filters=num_filters),
        detection_head=maskrcnn.DetectionHead(num_convs=1, num_filters=16, fc_dims=32),
        mask_head=maskrcnn.MaskHead(num_convs=1, num_filters=16),
        detection_generator=maskrcnn.DetectionGenerator(max_num_detections=6),
        norm_activation=common.NormActivation(use_sync_bn=request.param == "synchronised"),
    )
    model = factory.build_maskrcnn(tf_keras.layers.InputSpec(shape=[None, 64, 64, 3]), config)
    run(model)
    rng = np.random.default_rng(3)
    for layer in model._flatten_layers():
        if isinstance(layer, BATCH_NORMS):
            shape = layer.gamma.shape
            layer.gamma.assign(rng.uniform(0.5, 1.5, shape))
            layer.moving_variance.assign(rng.uniform(0.5, 2.0, shape))
            layer.beta.assign(rng.normal(scale=0.3, size=shape))
            layer.moving_mean.assign(rng.normal(scale=0.3, size=shape))
    return model


def run(model):
    images = tf.constant(np.random.default_rng(4).normal(size=(1, 64, 64, 3)), tf.float32)
    return model(images, image_shape=tf.constant([[64.0, 64.0]]), training=False)


def test_fold_batch_norm_changes_no_result(trained_model, monkeypatch):
    monkeypatch.setattr(winograd, "MIN_CELLS", 50)  # level 3
    before = run(trained_model)

    num_folded = fold_batch_norm(trained_model)

    # Backbone, three levels of the pyramid, four of the proposals, box and mask head. Level 5 keeps
    # its own: level 6 is made of what it had before its normalization.
    assert num_folded == 53 + 3 + 4 + 1 + 1
    is_wide = trained_model.rpn_head.get_config()["num_filters"] >= winograd.MIN_CHANNELS
    with_winograd = [
        layer
        for layer in trained_model._flatten_layers()
        if getattr(vars(layer).get("call"), "_winograd_kernel", None) is not None
    ]
    assert len(with_winograd) == (2 if is_wide else 0)  # pyramid and proposals
    after = run(trained_model)
    for name in ("decoder_features", "rpn_scores", "rpn_boxes"):
        for level, values in before[name].items():
            largest = np.abs(values).max()
            np.testing.assert_allclose(after[name][level], values, atol=1e-4 * largest)
    for name in ("cls_outputs", "box_outputs", "detection_boxes", "detection_masks"):
        largest = np.abs(before[name]).max()
        np.testing.assert_allclose(after[name], before[name], atol=1e-4 * largest)


def test_fold_batch_norm_twice(trained_model):
    fold_batch_norm(trained_model)
    before = run(trained_model)

    assert fold_batch_norm(trained_model) == 0

    np.testing.assert_array_equal(run(trained_model)["detection_boxes"], before["detection_boxes"])
