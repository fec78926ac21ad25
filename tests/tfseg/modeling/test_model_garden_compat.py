"""That the installed Model Garden still has what model_garden_compat relies on.

Layers that are handed out are run by hand: whatever their names, they must be those that compute.
"""

import inspect

import numpy as np
import pytest
import tensorflow as tf
import tf_keras
from official.vision.modeling import maskrcnn_model
from official.vision.modeling.decoders import fpn
from official.vision.modeling.heads import dense_prediction_heads, instance_heads
from official.vision.modeling.layers import box_sampler, nn_blocks, roi_sampler

from tfseg.modeling import model_garden_compat as compat
from tfseg.modeling.variable_size import _without_suppression

IMAGE = tf.random.stateless_normal([1, 64, 96, 3], [1, 2])
SHAPE = tf.constant([[64.0, 96.0]])


def randomise(part) -> None:
    """Gives every weight a value of its own, so that no layer is left out without a difference."""
    for index, variable in enumerate(part.variables):
        values = tf.random.stateless_normal(variable.shape, [index, 3], stddev=0.3)
        is_variance = "variance" in variable.name
        variable.assign(1.0 + tf.abs(values) if is_variance else values)


def through(values, *pairs, activation=tf.nn.relu):
    for convolution, norm in pairs:
        values = activation(norm(convolution(values), training=False))
    return values


class LastRows(box_sampler.BoxSampler):
    """Draws the last candidates, whatever they are."""

    def call(self, positive_matches, negative_matches, ignored_matches):
        num, drawn = positive_matches.shape[1], self.get_config()["num_samples"]
        return tf.range(num - drawn, num)[tf.newaxis]


def test_a_replaced_box_sampler_draws():
    layer = roi_sampler.ROISampler(mix_gt_boxes=False, num_sampled_rois=4, name="one")
    # All alike, and none an instance: the stock sampler takes any of them.
    boxes = tf.constant([[[float(y), 0, y + 8, 8] for y in range(0, 640, 10)]])
    arguments = (boxes, tf.constant([[[900.0, 0, 908, 8]]]), tf.constant([[1]]))
    assert type(compat.get_box_sampler(layer)) is box_sampler.BoxSampler
    assert compat.get_box_sampler(layer).get_config() == {
        "num_samples": 4,
        "foreground_fraction": 0.25,
    }
    stock = {tuple(layer(*arguments)[0][0, :, 0].numpy()) for _ in range(5)}

    compat.replace_box_sampler(layer, LastRows(**compat.get_box_sampler(layer).get_config()))

    drawn = {tuple(layer(*arguments)[0][0, :, 0].numpy()) for _ in range(5)}
    assert drawn == {(600.0, 610.0, 620.0, 630.0)} != stock


def test_box_outputs_are_those_of_the_whole_model(tiny_model):
    parameters = inspect.signature(maskrcnn_model.MaskRCNNModel._call_box_outputs).parameters
    assert list(parameters)[:4] == ["self", "images", "image_shape", "anchor_boxes"]
    assert parameters["training"].default is None

    outputs = compat.box_outputs(tiny_model, IMAGE, SHAPE, None)

    whole = tiny_model(IMAGE, image_shape=SHAPE, training=False)
    assert set(whole) - set(outputs) == {"detection_masks"}
    assert set(outputs["decoder_features"]) == {"3", "4", "5"}
    for name in ("detection_boxes", "detection_scores", "cls_outputs"):
        np.testing.assert_array_equal(outputs[name], whole[name])


def test_a_model_without_suppression_gives_its_boxes_as_they_are(tiny_model):
    own = tiny_model.detection_generator
    with _without_suppression(tiny_model):
        outputs = compat.box_outputs(tiny_model, IMAGE, SHAPE, None)

    assert outputs["decoded_boxes"].shape == (1, 20, 3, 4)
    assert outputs["decoded_box_scores"].shape == (1, 20, 3)
    assert "detection_boxes" not in outputs
    assert tiny_model.detection_generator is own
    assert "detection_boxes" in compat.box_outputs(tiny_model, IMAGE, SHAPE, None)


@pytest.mark.parametrize("projects", [True, False])
def test_bottleneck_layers_compute_the_block(projects):
    strides = 2 if projects else 1
    block = nn_blocks.BottleneckBlock(filters=2, strides=strides, use_projection=projects)
    inputs = tf.random.stateless_normal([1, 6, 6, 8], [2, 3])
    block(inputs)
    randomise(block)

    layers = compat.bottleneck_layers(block)

    assert [one.convolution.kernel_size for one in layers.main] == [(1, 1), (3, 3), (1, 1)]
    assert layers.main[1].convolution.strides == (strides, strides)
    assert (layers.shortcut is not None) == projects
    last, shortcut = layers.main[2], inputs
    if projects:
        shortcut = through(inputs, layers.shortcut, activation=tf.identity)
    main = through(through(inputs, *layers.main[:2]), last, activation=tf.identity)
    expected = block(inputs, training=False)
    np.testing.assert_allclose(tf.nn.relu(main + shortcut), expected, atol=1e-5)


@pytest.mark.parametrize("expand_ratio", [1, 6])
def test_inverted_bottleneck_layers_compute_the_block(expand_ratio):
    block = nn_blocks.InvertedBottleneckBlock(
        in_filters=4, out_filters=8, expand_ratio=expand_ratio, strides=2, activation="relu"
    )
    inputs = tf.random.stateless_normal([1, 6, 6, 4], [2, 3])
    block(inputs)
    randomise(block)

    layers = compat.inverted_bottleneck_layers(block)

    assert (layers.expansion is not None) == (expand_ratio > 1)
    assert hasattr(layers.depthwise.convolution, "depthwise_kernel")
    hidden = through(inputs, *([layers.expansion] if layers.expansion else []), layers.depthwise)
    expected = block(inputs, training=False)
    outputs = through(hidden, layers.projection, activation=tf.identity)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_pyramid_layers_compute_the_levels():
    sizes = {"3": [None, 8, 8, 5], "4": [None, 4, 4, 6]}
    decoder = fpn.FPN(
        {level: tf.TensorShape(shape) for level, shape in sizes.items()},
        min_level=3,
        max_level=5,
        num_filters=7,
    )
    randomise(decoder)
    features = {
        level: tf.random.stateless_normal([1, *shape[1:]], [4, int(level)])
        for level, shape in sizes.items()
    }

    third, fourth = compat.pyramid_layers(decoder, 3), compat.pyramid_layers(decoder, 4)
    fifth = compat.pyramid_layers(decoder, 5, is_coarser=True)

    top = fourth.lateral(features["4"])
    below = third.lateral(features["3"]) + tf.repeat(tf.repeat(top, 2, 1), 2, 2)
    outputs = decoder(features, training=False)
    coarse = fifth.output(fourth.output(top))
    for level, layers, values in (
        ("3", third, third.output(below)),
        ("4", fourth, fourth.output(top)),
        ("5", fifth, coarse),
    ):
        np.testing.assert_allclose(outputs[level], layers.norm(values), atol=1e-4)
    assert fifth.lateral is None
    with pytest.raises(ValueError, match="coarser_4"):
        compat.pyramid_layers(decoder, 4, is_coarser=True)


def test_region_head_layers_compute_the_head():
    head = dense_prediction_heads.RPNHead(
        min_level=3, max_level=4, num_anchors_per_location=3, num_convs=2, num_filters=5
    )
    sides = {"3": 8, "4": 4}
    features = {
        level: tf.random.stateless_normal([1, side, side, 5], [5, side])
        for level, side in sides.items()
    }
    head(features)
    randomise(head)

    layers = compat.region_head_layers(head)

    scores, boxes = head(features, training=False)
    for level, norms in zip(sides, layers.norms, strict=True):
        hidden = through(features[level], *zip(layers.convolutions, norms, strict=True))
        np.testing.assert_allclose(layers.scores(hidden), scores[level], atol=1e-4)
        np.testing.assert_allclose(layers.boxes(hidden), boxes[level], atol=1e-4)


def test_box_head_layers_compute_the_head():
    head = instance_heads.DetectionHead(num_classes=4, num_convs=0, num_fcs=2, fc_dims=6)
    features = tf.random.stateless_normal([1, 2, 3, 3, 5], [6, 7])
    head(features)
    randomise(head)

    layers = compat.box_head_layers(head)

    hidden = tf.reshape(features, [1, 2, -1])
    hidden = through(hidden, *zip(layers.fcs, layers.norms, strict=True))
    classes, boxes = head(features, training=False)
    assert len(layers.fcs) == 2
    np.testing.assert_allclose(layers.classes(hidden), classes, atol=1e-4)
    np.testing.assert_allclose(layers.boxes(hidden), boxes, atol=1e-4)


def test_mask_head_layers_compute_the_head():
    head = instance_heads.MaskHead(
        num_classes=4, upsample_factor=2, num_convs=2, num_filters=5, class_agnostic=False
    )
    features = tf.random.stateless_normal([1, 2, 3, 3, 5], [7, 8])
    classes = tf.constant([[1, 3]])
    head([features, classes])
    randomise(head)

    layers = compat.mask_head_layers(head)

    hidden = through(features[0], *zip(layers.convolutions, layers.norms, strict=True))
    logits = layers.masks(through(hidden, layers.upsampling))
    masks = head([features, classes], training=False)[0]
    assert len(layers.convolutions) == 2
    expected = tf.stack([logits[0, ..., 1], logits[1, ..., 3]])
    np.testing.assert_allclose(masks, expected, atol=1e-4)


def test_the_class_predictors_bias_is_in_a_checkpoint_under_its_key(tiny_model, tmp_path):
    path = tf.train.Checkpoint(model=tiny_model, **tiny_model.checkpoint_items).save(
        str(tmp_path / "ckpt")
    )
    variables = tf.train.list_variables(path)

    assert compat.class_bias_shape(variables) == [4]
    assert compat.class_bias_shape([("global_step", [])]) is None


def test_the_weights_that_count_classes_are_known_by_name(tiny_model):
    counted = {
        variable.name: (compat.entries_per_class(variable), variable.shape[-1])
        for variable in tiny_model.variables
        if compat.entries_per_class(variable)
    }

    assert sorted(counted.values()) == [(1, 4)] * 4 + [(4, 16)] * 2
    assert {name.split("/")[-2] for name in counted} == {
        "detection-scores",
        "detection-boxes",
        "mask-logits",
    }
    assert tf_keras.utils.get_registered_name(type(tiny_model)) == "Vision>MaskRCNNModel"
