import numpy as np
import pytest

from tests.tfseg import drawn_examples
from tests.tfseg.drawn_examples import mask

pytestmark = pytest.mark.slow


def task_config(input_size=(64, 64), **parser):

    from official.vision.configs import maskrcnn as maskrcnn_cfg

    from tfseg.configs import maskrcnn

    return maskrcnn.FashionMaskRCNN(
        model=maskrcnn_cfg.MaskRCNN(
            num_classes=4,
            input_size=[*input_size, 3],
            min_level=3,
            max_level=4,
            anchor=maskrcnn_cfg.Anchor(anchor_size=3.0),
        ),
        train_data=maskrcnn.TrainData(
            is_training=True,
            global_batch_size=4,
            dtype="float32",
            parser=maskrcnn_cfg.Parser(
                **{"max_num_instances": 5, "rpn_batch_size_per_im": 10_000, **parser}
            ),
        ),
    )


def targets(serialized, config, seed=(3, 4), keeps_crowds=False):
    import tensorflow as tf

    from tfseg.dataloaders import photo_records, train_targets

    @tf.function
    def make(serialized):
        record = photo_records.parse(serialized, keeps_crowds)
        return train_targets.make_targets(
            *photo_records.decode(record),
            record.classes,
            record.source_id,
            config,
            tf.constant(seed),
        )

    return make(tf.constant(serialized))


def stock_targets(serialized, config):
    import tensorflow as tf
    from official.vision.dataloaders import maskrcnn_input, tf_example_decoder

    decoder = tf_example_decoder.TfExampleDecoder(include_mask=True)
    model, parser = config.model, config.train_data.parser
    stock = maskrcnn_input.Parser(
        output_size=model.input_size[:2],
        min_level=model.min_level,
        max_level=model.max_level,
        num_scales=model.anchor.num_scales,
        aspect_ratios=model.anchor.aspect_ratios,
        anchor_size=model.anchor.anchor_size,
        rpn_batch_size_per_im=parser.rpn_batch_size_per_im,
        max_num_instances=parser.max_num_instances,
        include_mask=True,
    )
    parse = stock.parse_fn(is_training=True)
    return tf.function(lambda record: parse(decoder.decode(record)))(tf.constant(serialized))


SIZE = (60, 40)
PHOTO = drawn_examples.example(
    [mask(SIZE, 5, 4, 30, 20), mask(SIZE, 20, 10, 58, 39)], [2, 3], image_id=17
)


@pytest.mark.parametrize("input_size", [(64, 64), (96, 48), (32, 32)])
def test_targets_are_model_gardens_where_nothing_is_augmented(input_size):
    config = task_config(input_size)

    image, labels = targets(PHOTO, config)
    stock_image, stock_labels = stock_targets(PHOTO, config)

    np.testing.assert_allclose(image, stock_image, atol=1e-4)
    assert int(labels["source_id"]) == 17
    for name in ("image_info", "gt_boxes", "gt_classes"):
        np.testing.assert_allclose(labels[name], stock_labels[name], atol=1e-4, err_msg=name)
    np.testing.assert_allclose(labels["gt_masks"], stock_labels["gt_masks"], atol=1e-3)
    for level in ("3", "4"):
        np.testing.assert_array_equal(
            labels["rpn_score_targets"][level], stock_labels["rpn_score_targets"][level]
        )
        np.testing.assert_allclose(
            labels["rpn_box_targets"][level], stock_labels["rpn_box_targets"][level], atol=1e-4
        )


def test_crowds_are_left_out():
    crowd = drawn_examples.example(
        [mask(SIZE, 5, 4, 30, 20), mask(SIZE, 20, 10, 58, 39)], [2, 3], crowds=[1, 0]
    )

    _, labels = targets(crowd, task_config())

    assert labels["gt_classes"].numpy().tolist() == [3, -1, -1, -1, -1]


def test_without_the_key_for_crowds_none_is_one():
    import tensorflow as tf

    example = tf.train.Example.FromString(PHOTO)
    del example.features.feature["image/object/is_crowd"]

    _, labels = targets(example.SerializeToString(), task_config())

    assert labels["gt_classes"].numpy().tolist() == [2, 3, -1, -1, -1]


def test_a_very_long_photo_keeps_a_pixel_of_width():
    size = (700, 4)  # 64 / 700 of 4 pixels is 0.4
    long = drawn_examples.example([mask(size, 0, 0, 350, 4)], [2], size_hw=size)

    image, labels = targets(long, task_config())

    assert np.isfinite(image).all()
    assert labels["gt_boxes"][0].numpy().tolist() == [0, 0, 32, 1]


def test_a_photo_without_instances_has_only_background_to_learn():
    image, labels = targets(drawn_examples.example([], []), task_config())

    assert np.isfinite(image).all()
    assert labels["gt_classes"].numpy().tolist() == [-1] * 5
    scores = np.concatenate([np.ravel(v) for v in labels["rpn_score_targets"].values()])
    assert set(scores.tolist()) == {0}


@pytest.mark.parametrize("seed", range(6))
def test_boxes_and_masks_follow_flips_and_scales(seed):
    """What is bright in the input is in the boxes and masks, and nothing else is."""
    import tensorflow as tf

    drawn = mask((80, 80), 20, 10, 60, 30) | mask((80, 80), 50, 10, 60, 70)  # a boot: not symmetric
    pixels = np.repeat(255 * drawn[..., np.newaxis], 3, axis=2)
    config = task_config((64, 64), aug_rand_hflip=True, aug_scale_min=0.3, aug_scale_max=2.0)
    from tfseg.dataloaders import train_targets

    image, labels = train_targets.make_targets(
        tf.constant(pixels), tf.constant(drawn[np.newaxis]), tf.constant([1], tf.int64),
        tf.constant(1, tf.int64), config, tf.constant([seed, 1]),
    )  # fmt: skip

    bright = image.numpy()[..., 0] > 0
    scale = float(labels["image_info"][2, 0])
    ys, xs = np.nonzero(bright)
    tight = np.array([ys.min(), xs.min(), ys.max() + 1, xs.max() + 1])
    box = labels["gt_boxes"].numpy()[0]
    assert box == pytest.approx(tight, abs=max(1.0, scale))
    pasted = paste(labels["gt_masks"].numpy()[0].astype(np.float32), box, (64, 64))
    assert (pasted & bright).sum() / (pasted | bright).sum() > 0.9


def paste(crop, box, size_hw):
    """Puts a mask crop into its box."""
    from PIL import Image

    ymin, xmin, ymax, xmax = np.round(box).astype(int)
    size = (max(1, xmax - xmin), max(1, ymax - ymin))
    resized = np.array(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR)) >= 0.5
    frame = np.zeros(size_hw, bool)
    frame[ymin : ymin + size[1], xmin : xmin + size[0]] = resized
    return frame


def test_visible_boxes_are_tight_within_the_window():
    import tensorflow as tf

    from tfseg.dataloaders.train_targets import visible_boxes

    diagonal = np.eye(10, dtype=np.uint8)
    outside = mask((10, 10), 0, 0, 2, 2)
    boxes = visible_boxes(
        tf.constant(np.stack([diagonal, outside])), tf.constant([2.0, 4.0, 8.0, 9.0])
    )

    assert boxes.numpy().tolist() == [[4, 4, 8, 8], [0, 0, 0, 0]]


@pytest.mark.parametrize("crop_size", [56, 112, 224])
def test_centre_gt_masks_leaves_edges_in_their_place(crop_size):
    import tensorflow as tf
    from official.vision.ops import spatial_transform_ops

    from tfseg.dataloaders.train_targets import centre_gt_masks

    box = tf.constant([[[0.0, 0.0, 100.0, 100.0]]])
    cell = crop_size / 28
    biases = []
    # Edges on a target's border, so that no target is half covered.
    for edge in range(crop_size // 4, crop_size // 2, crop_size // 28):
        mask = np.zeros((1, 1, crop_size, crop_size), np.float32)
        mask[..., :edge] = 1
        targets = spatial_transform_ops.crop_mask_in_target_box(
            centre_gt_masks(tf.constant(mask)), box, box, 28, sample_offset=0.5
        )
        biases.append(float(tf.reduce_sum(targets[0, 0, 14])) * cell - edge)

    assert biases == pytest.approx([0.0] * len(biases))


def test_centre_gt_masks_moves_down_and_right():
    import tensorflow as tf

    from tfseg.dataloaders.train_targets import centre_gt_masks

    masks = np.zeros((1, 4, 4), np.float32)
    masks[0, 1, 2] = 1

    moved = centre_gt_masks(tf.constant(masks)).numpy()  # by half a cell

    assert moved[0].tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0.25, 0.25],
        [0, 0, 0.25, 0.25],
        [0, 0, 0, 0],
    ]


@pytest.mark.parametrize("seed", range(4))
def test_crowds_are_regions_where_the_data_set_has_them(seed):
    crowd = drawn_examples.example(
        [mask(SIZE, 5, 4, 30, 20), mask(SIZE, 20, 10, 58, 39)], [2, 3], crowds=[1, 0]
    )
    config = task_config(aug_rand_hflip=True, mask_crop_size=29)
    config.train_data.max_num_ignored = 2

    _, labels = targets(crowd, config, seed=(seed, 1), keeps_crowds=True)

    assert labels["gt_classes"].numpy().tolist() == [3, -1, -1, -1, -1]
    (ymin, xmin, ymax, xmax), padding = labels["ignored_boxes"].numpy()
    scale = 64 / 60
    shown_width = round(40 * scale)
    flipped = float(labels["gt_boxes"][0, 1]) != pytest.approx(10 * scale, abs=0.5)
    left, right = (shown_width - 20 * scale, shown_width - 4 * scale) if flipped else (4, 20)
    if not flipped:
        left, right = left * scale, right * scale
    assert (ymin, ymax) == pytest.approx((5 * scale, 30 * scale), abs=0.5)
    assert (xmin, xmax) == pytest.approx((left, right), abs=0.5)
    assert padding.tolist() == [-1] * 4
    # The instance has its own pixels; of the crowd's, within its box, none is its own.
    assert labels["gt_masks"][0].numpy()[2:-2, 2:-2].min() > 0.99
    assert not labels["gt_unknown"].numpy()[:, 2:-2, 2:-2].any()


def test_pixels_of_a_region_in_an_instances_box_are_unknown():
    instance = mask(SIZE, 10, 10, 50, 20)
    instance[40:50, 10:30] = 1
    photo = drawn_examples.example([mask(SIZE, 10, 22, 30, 38), instance], [2, 3], crowds=[1, 0])
    config = task_config(mask_crop_size=20)
    config.train_data.max_num_ignored = 1

    _, labels = targets(photo, config, keeps_crowds=True)

    unknown = labels["gt_unknown"][0].numpy()  # of rows 10..50 and columns 10..30
    assert unknown[1:9, 14:].min() > 0.99
    assert unknown[11:].max() == unknown[:, :11].max() == 0
