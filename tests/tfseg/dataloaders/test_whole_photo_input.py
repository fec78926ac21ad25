"""What is computed from parts of photos equals what whole photos give."""

import numpy as np
import pytest

from tests.tfseg import drawn_examples
from tests.tfseg.drawn_examples import mask

pytestmark = pytest.mark.slow

SIZE = (300, 200)


def jpeg_example(image_id: int, size_hw=SIZE, num=4) -> bytes:
    """A record as data_prep writes it: JPEG, masks of one bit, here and there over the edges."""
    import tensorflow as tf

    from data_prep.annotations import masks

    random = np.random.default_rng(image_id)
    drawn = []
    for _ in range(num):
        ymin, xmin = (int(random.integers(0, 0.7 * side)) for side in size_hw)
        height, width = (int(random.integers(8, 0.6 * side)) for side in size_hw)
        drawn.append(mask(size_hw, ymin, xmin, ymin + height, xmin + width))
    record = tf.train.Example.FromString(
        drawn_examples.example(drawn, [1 + n % 3 for n in range(num)], image_id, size_hw)
    )
    feature = record.features.feature
    photo = drawn_examples.photo(drawn, size_hw, image_id)
    feature["image/encoded"].bytes_list.value[:] = [tf.io.encode_jpeg(photo, quality=90).numpy()]
    feature["image/object/mask"].bytes_list.value[:] = [
        masks.png_from_rle(masks.rle_from_mask(one)) for one in drawn
    ]
    return record.SerializeToString()


@pytest.fixture(scope="module")
def jpeg_set(tmp_path_factory):
    import tensorflow as tf

    from tests.tfseg import small_experiment

    folder = tmp_path_factory.mktemp("jpegs")
    prepared = small_experiment.open_written(folder, 12)
    for shard, path in enumerate(prepared.record_paths("train")):
        with tf.io.TFRecordWriter(path) as writer:
            for number in range(6):
                size = (SIZE, SIZE[::-1], (120, 400))[number % 3]
                writer.write(jpeg_example(6 * shard + number + 1, size, number))
    return prepared


def input_of(prepared, *overrides):
    from official.core import task_factory

    import tfseg.training  # noqa: F401  registers the task
    from tests.tfseg import small_experiment

    params = small_experiment.build(
        prepared,
        *("trainer.train_steps=1", "task.model.input_size=[192,128,3]"),
        *("task.train_data.parser.aug_rand_hflip=true", *overrides),
    )
    return task_factory.get_task(params.task).train_input()


LARGE_JITTER = (
    "task.train_data.parser.aug_scale_min=0.1",
    "task.train_data.parser.aug_scale_max=2.5",
)
COLOURS = tuple(
    f"task.train_data.augmentation.{name}=0.3" for name in ("brightness", "contrast", "saturation")
)
PASTE = ("task.train_data.augmentation.copy_paste_probability=0.5",)


# What is pasted is not mixed with black at the edge of its photo, so that the mean is another.
@pytest.mark.parametrize(
    ("overrides", "grey_levels"),
    [((*LARGE_JITTER, *COLOURS), 0.1), ((*LARGE_JITTER, *COLOURS, *PASTE), 0.5)],
    ids=["parts", "pasted"],
)
def test_examples_equal_those_of_whole_photos(jpeg_set, overrides, grey_levels):
    """Labels are the same; pixels, on average, to a tenth of a grey level."""
    import functools

    import tensorflow as tf

    from tests.tfseg.dataloaders import whole_photo_input

    train_input = input_of(jpeg_set, *overrides)
    positions = tf.data.Dataset.range(60)
    made = positions.map(train_input.example_at)
    plain = positions.map(functools.partial(whole_photo_input.example_at, train_input))
    num_reduced = 0
    for (image, labels), (plain_image, plain_labels) in zip(made, plain, strict=True):
        where = f"position {int(labels['position'])}"
        for name in ("image_info", "gt_boxes"):
            np.testing.assert_allclose(labels[name], plain_labels[name], atol=1e-4, err_msg=where)
        for name in ("gt_classes", "source_id", "sampling_seed"):
            np.testing.assert_array_equal(labels[name], plain_labels[name], err_msg=where)
        np.testing.assert_allclose(labels["gt_masks"], plain_labels["gt_masks"], atol=2e-3)
        differences = np.abs(image.numpy() - plain_image.numpy()) * 0.225 * 255  # grey levels
        is_reduced = labels["image_info"][2].numpy().max() <= 0.5
        num_reduced += is_reduced
        # Reduced by libjpeg, a photo is a little smoother than picked at every second pixel.
        assert differences.mean() < (3.0 if is_reduced else grey_levels), where
        for level, scores in labels["rpn_score_targets"].items():
            plain_scores = plain_labels["rpn_score_targets"][level]
            np.testing.assert_array_equal(scores, plain_scores, err_msg=where)
    assert num_reduced > 5


def top_left():
    """A view of a photo's first 100 rows and 90 columns, as large as they are."""
    import tensorflow as tf

    from tfseg.dataloaders.photo_view import View

    return View(
        scale=tf.constant([1.0, 1.0]),
        offset=tf.constant([0.0, 0.0]),
        shown=tf.constant([100.0, 90.0]),
        flipped=False,
        window=tf.constant([0.0, 0.0, 100.0, 90.0]),
    )


def test_only_masks_that_can_be_seen_are_decoded(jpeg_set):
    """A mask beyond the window may be damaged; whole photos stop at it."""
    import tensorflow as tf

    from tfseg.dataloaders import photo_records

    seen, hidden = mask(SIZE, 10, 10, 60, 60), mask(SIZE, 200, 100, 280, 190)
    record = tf.train.Example.FromString(drawn_examples.example([seen, hidden], [1, 2], 1, SIZE))
    feature = record.features.feature
    feature["image/encoded"].bytes_list.value[:] = [
        tf.io.encode_jpeg(drawn_examples.photo([seen], SIZE)).numpy()
    ]
    feature["image/object/mask"].bytes_list.value[1] = b"damaged"
    parsed = photo_records.parse(tf.constant(record.SerializeToString()))
    image, masks, left, frame = photo_records.decode_view(parsed, top_left(), tf.constant(SIZE))

    assert left.classes.numpy().tolist() == [1]
    assert masks.numpy()[0].tolist() == seen[:102, :92].tolist()
    assert image.shape == (102, 92, 3)
    assert frame.mask_origin.numpy().tolist() == [0, 0]
    with pytest.raises(tf.errors.InvalidArgumentError):
        photo_records.decode(parsed)


def test_boxes_are_not_needed(jpeg_set):
    """Records of other programs may lack the boxes: every mask is decoded then."""
    import tensorflow as tf

    from tfseg.dataloaders import photo_records

    record = tf.train.Example.FromString(jpeg_example(3))
    del record.features.feature["image/object/bbox/ymin"]

    parsed = photo_records.parse(tf.constant(record.SerializeToString()))

    assert parsed.boxes.numpy().tolist() == [[0.0, 0.0, 1.0, 1.0]] * 4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_box_that_is_no_number_costs_no_garment(value):
    """A garment that is left out would be taught as background."""
    import tensorflow as tf

    from tfseg.dataloaders import photo_records

    garments = [mask(SIZE, 10, 10, 60, 60), mask(SIZE, 40, 30, 90, 80)]
    record = tf.train.Example.FromString(drawn_examples.example(garments, [1, 2], 1, SIZE))
    feature = record.features.feature
    feature["image/encoded"].bytes_list.value[:] = [
        tf.io.encode_jpeg(drawn_examples.photo(garments, SIZE)).numpy()
    ]
    feature["image/object/bbox/ymax"].float_list.value[0] = value
    parsed = photo_records.parse(tf.constant(record.SerializeToString()))
    _, masks, left, _ = photo_records.decode_view(parsed, top_left(), tf.constant(SIZE))

    assert left.classes.numpy().tolist() == [1, 2]
    for found, garment in zip(masks.numpy(), garments, strict=True):
        assert found.tolist() == garment[:102, :92].tolist()
