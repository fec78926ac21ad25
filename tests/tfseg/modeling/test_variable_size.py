import cv2
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.vision.configs import backbones, decoders, maskrcnn
from official.vision.modeling import factory

from tfseg.inference.serving_module import ServingModule
from tfseg.modeling import batch_norm_folding, torch_padding, variable_size

pytestmark = pytest.mark.slow


def make_model(decoder, max_level=6):
    """A random Mask R-CNN whose pyramid ends above the backbone; 128x128 pixels."""
    tf_keras.utils.set_random_seed(1)
    config = maskrcnn.MaskRCNN(
        num_classes=3,
        input_size=[128, 128, 3],
        min_level=3,
        max_level=max_level,
        backbone=backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=10)),
        decoder=decoder,
        rpn_head=maskrcnn.RPNHead(num_filters=16),
        detection_head=maskrcnn.DetectionHead(num_convs=0, num_fcs=1, fc_dims=32),
        mask_head=maskrcnn.MaskHead(num_convs=1, num_filters=16),
    )
    model = factory.build_maskrcnn(tf_keras.layers.InputSpec(shape=[None, 128, 128, 3]), config)
    model(tf.zeros([1, 128, 128, 3]), image_shape=tf.constant([[128.0, 128.0]]), training=False)
    return model


def fpn(**options):
    return decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=16, **options))


NAS_FPN = decoders.Decoder(type="nasfpn", nasfpn=decoders.NASFPN(num_filters=16, num_repeats=1))


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_coarser_levels_look_at_the_cells_of_training(is_symmetric):
    model = make_model(fpn())
    if is_symmetric:
        torch_padding.pad_symmetrically(model.decoder)
    coarser = model.decoder.get_layer("coarser_6")
    features = tf.random.stateless_normal([2, 5, 7, 16], [1, 2])
    even = tf.pad(features, [[0, 0], [0, 1], [0, 1], [0, 0]])

    with variable_size._run_on_any_size(model, 10):
        of_odd, of_even = coarser(features), coarser(even)

    np.testing.assert_allclose(of_odd, coarser(even), atol=1e-5)
    np.testing.assert_allclose(of_even, coarser(even), atol=1e-5)
    if not is_symmetric:  # what it would look at without help
        assert np.abs(of_odd - coarser(features)).max() > 0.1


@pytest.mark.parametrize(
    ("decoder", "max_level", "joined_level", "is_folded"),
    [
        (fpn(), 6, 5, False),
        (fpn(), 6, 5, True),
        (fpn(use_separable_conv=True), 6, 6, False),
        (NAS_FPN, 7, 7, False),
    ],
    ids=["fpn", "folded", "separable", "nasfpn"],
)
def test_photos_of_every_shape_are_run(decoder, max_level, joined_level, is_folded):
    model = make_model(decoder, max_level)
    assert variable_size.joined_level(model, max_level) == joined_level
    if is_folded:
        assert batch_norm_folding.fold_batch_norm(model) > 20
    module = ServingModule(model, (128, 128), max_level, ("bag", "belt"), 0.0)
    sizes_hw = [(192, 110), (30, 200), (64, 64), (1, 1)]
    rng = np.random.default_rng(2)
    images = [rng.integers(0, 256, (*size_hw, 3)).astype(np.uint8) for size_hw in sizes_hw]

    outputs = module.detect(
        tf.constant([cv2.imencode(".png", image)[1].tobytes() for image in images])
    )

    assert outputs["ok"].numpy().all()
    assert outputs["num_detections"].numpy().all()
    for boxes, (height, width) in zip(outputs["boxes_yxyx"].numpy(), sizes_hw, strict=True):
        assert (boxes >= 0).all()
        assert (boxes <= [height, width, height, width]).all()
