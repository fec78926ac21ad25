from pathlib import Path

import numpy as np
import pytest

from tests.tfseg import drawn_examples
from tests.tfseg.drawn_examples import mask


def task_config(input_size=(64, 64), **parser):
    from official.vision.configs import maskrcnn

    from tfseg import task

    return task.FashionMaskRCNN(
        model=maskrcnn.MaskRCNN(
            num_classes=4,
            input_size=[*input_size, 3],
            min_level=3,
            max_level=4,
            anchor=maskrcnn.Anchor(anchor_size=3.0),
        ),
        train_data=task.TrainData(
            is_training=True,
            global_batch_size=4,
            dtype="float32",
            parser=maskrcnn.Parser(
                **{"max_num_instances": 5, "rpn_batch_size_per_im": 10_000, **parser}
            ),
        ),
    )


def targets(serialized, config, seed=(3, 4)):
    import tensorflow as tf

    from tfseg import input_pipeline

    make = tf.function(
        lambda record: input_pipeline.make_targets(
            *input_pipeline.decode(record), config, tf.constant(seed)
        )
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
    from tfseg import input_pipeline

    image, labels = input_pipeline.make_targets(
        tf.constant(pixels), tf.constant(drawn[np.newaxis]), tf.constant([1], tf.int64),
        tf.constant(1, tf.int64), config, tf.constant([seed, 1]),
    )  # fmt: skip

    bright = image.numpy()[..., 0] > 0
    scale = float(labels["image_info"][2, 0])
    ys, xs = np.nonzero(bright)
    tight = np.array([ys.min(), xs.min(), ys.max() + 1, xs.max() + 1])
    box = labels["gt_boxes"].numpy()[0]
    assert box == pytest.approx(tight, abs=max(1.0, scale))
    pasted = paste(labels["gt_masks"].numpy()[0], box, (64, 64))
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

    from tfseg.input_pipeline import visible_boxes

    diagonal = np.eye(10, dtype=np.uint8)
    outside = mask((10, 10), 0, 0, 2, 2)
    boxes = visible_boxes(tf.constant([diagonal, outside]), tf.constant([2.0, 4.0, 8.0, 9.0]))

    assert boxes.numpy().tolist() == [[4, 4, 8, 8], [0, 0, 0, 0]]


def write_set(tmp_path, num_shards=2, num_each=5):
    import tensorflow as tf

    paths = []
    for shard in range(num_shards):
        path = str(tmp_path / f"shard-{shard}")
        paths.append(path)
        with tf.io.TFRecordWriter(path) as writer:
            for index in range(num_each):
                image_id = 1 + shard * num_each + index
                masks = [mask(SIZE, 5, 4 + index, 30, 20 + index)]
                writer.write(drawn_examples.example(masks, [1 + index % 3], image_id))
    return paths


def input_of(paths, **parser):
    from official.core import task_factory

    config = task_config(**parser)
    config.train_data.input_path = ",".join(paths)
    config.category_names = ["bag", "belt", "boots"]
    return task_factory.get_task(config)


def test_an_epoch_has_every_photo_of_every_shard(tmp_path):
    dataset = input_of(write_set(tmp_path)).train_input().dataset()

    ids = np.concatenate([labels["source_id"] for _, labels in dataset.take(5)])
    assert sorted(ids[:10]) == sorted(ids[10:]) == list(range(1, 11))


def test_an_input_begun_later_goes_on_alike(tmp_path):
    train_input = input_of(
        write_set(tmp_path), aug_rand_hflip=True, aug_scale_min=0.5, aug_scale_max=2.0
    ).train_input()

    from_start = list(train_input.dataset().take(4))[2:]
    begun_later = list(train_input.dataset(start=8).take(2))

    import tensorflow as tf

    for one, other in zip(tf.nest.flatten(from_start), tf.nest.flatten(begun_later), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_record_is_named_when_it_is_read(tmp_path):
    import tensorflow as tf

    paths = write_set(tmp_path, num_shards=1)
    content = bytearray(Path(paths[0]).read_bytes())
    content[100] ^= 1
    Path(paths[0]).write_bytes(content)

    with pytest.raises(tf.errors.DataLossError, match="corrupted record"):
        list(input_of(paths).train_input().dataset().take(3))
