import cv2
import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.vision.configs import backbones, decoders, maskrcnn
from official.vision.modeling import factory

from tfseg import folded_norm, garment_finder, thresholds, torch_layout
from tfseg.serving_module import ServingModule


@pytest.fixture(scope="module")
def model_with_level_6():
    """A random Mask R-CNN whose pyramid ends above the backbone; 128x128 pixels."""
    tf_keras.utils.set_random_seed(1)
    config = maskrcnn.MaskRCNN(
        num_classes=3,
        input_size=[128, 128, 3],
        min_level=3,
        max_level=6,
        backbone=backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=18)),
        decoder=decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=16)),
        rpn_head=maskrcnn.RPNHead(num_filters=16),
        detection_head=maskrcnn.DetectionHead(num_convs=0, num_fcs=1, fc_dims=32),
        mask_head=maskrcnn.MaskHead(num_convs=1, num_filters=16),
    )
    model = factory.build_maskrcnn(tf_keras.layers.InputSpec(shape=[None, 128, 128, 3]), config)
    model(tf.zeros([1, 128, 128, 3]), image_shape=tf.constant([[128.0, 128.0]]), training=False)
    return model


@pytest.mark.parametrize("is_symmetric", [False, True])
def test_coarser_levels_look_at_the_cells_of_training(model_with_level_6, is_symmetric):
    coarser = model_with_level_6.decoder.get_layer("coarser_6")
    before = coarser.convolution_op
    if is_symmetric:
        torch_layout.pad_symmetrically(model_with_level_6.decoder)
    features = tf.random.stateless_normal([2, 5, 7, 16], [1, 2])
    even = tf.pad(features, [[0, 0], [0, 1], [0, 1], [0, 0]])

    with garment_finder._of_any_size(model_with_level_6, 10):
        of_odd, of_even = coarser(features), coarser(even)

    np.testing.assert_allclose(of_odd, coarser(even), atol=1e-5)
    np.testing.assert_allclose(of_even, coarser(even), atol=1e-5)
    if not is_symmetric:  # what it would look at without help
        assert np.abs(of_odd - coarser(features)).max() > 0.1
    coarser.convolution_op = before


@pytest.mark.parametrize("is_folded", [False, True])
def test_photos_whose_levels_have_odd_sizes(model_with_level_6, is_folded):
    if is_folded:
        assert folded_norm.fold_batch_norm(model_with_level_6) > 20
    module = ServingModule(model_with_level_6, (128, 128), 6, ("bag", "belt"), 0.0)
    image = np.random.default_rng(2).integers(0, 256, (192, 110, 3)).astype(np.uint8)

    outputs = module.detect(tf.constant([cv2.imencode(".png", image)[1].tobytes()]))

    assert outputs["ok"].numpy().all()
    assert outputs["num_detections"][0] > 0
    boxes = outputs["boxes_yxyx"].numpy()
    assert (boxes >= 0).all()
    assert (boxes <= [192, 110, 192, 110]).all()


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

    result = garment_finder._suppress(*map(tf.constant, (boxes, class_ids, kept)), nms_iou=0.4)

    assert result[0, :20].numpy().tolist() == [True, False] * 10
    for row in range(4):
        expected = kept[row].copy()
        scores = -np.arange(60.0)[kept[row]]
        expected[kept[row]] = thresholds.nms(
            boxes[row][kept[row]], scores, class_ids[row][kept[row]], 0.4
        )
        assert 5 < expected.sum() < kept[row].sum()
        np.testing.assert_array_equal(result[row], expected)
