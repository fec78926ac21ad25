"""Attributes from the record to the loss and to the served answer."""

import dataclasses

import numpy as np
import pytest

from tests.tfseg import drawn_examples, small_experiment
from tests.tfseg.drawn_examples import mask

pytestmark = pytest.mark.slow
NAMES = {3: "red", 20: "blue", 30: "laced"}
SIZE = small_experiment.SIZE


def attributed(prepared, category_attributes=None):
    return dataclasses.replace(
        prepared, attribute_names=NAMES, category_attributes=category_attributes
    )


def test_attributes_stand_beside_the_classes():
    import tensorflow as tf

    from tfseg.dataloaders.photo_records import with_attributes

    classes = tf.constant([5, 6, 7, 8], tf.int64)
    texts = tf.constant(["20_3", "", "none", "30_99"])

    labels = with_attributes(classes, texts, list(NAMES))
    nothing_said = with_attributes(classes, tf.zeros([0], tf.string), list(NAMES))
    nobody = with_attributes(classes[:0], texts[:0], list(NAMES))

    assert labels.numpy().tolist() == [
        [5, 1, 1, 0], [6, -1, -1, -1], [7, 0, 0, 0], [8, 0, 0, 1]
    ]  # fmt: skip
    assert nothing_said.numpy()[:, 1:].tolist() == [[-1] * 3] * 4
    assert nobody.shape == (0, 4)


def test_what_a_category_can_have_follows_from_the_data_set(tmp_path):
    prepared = attributed(small_experiment.open_written(tmp_path), {1: (3, 30), 3: (20,)})

    task = small_experiment.build(prepared, "task.attribute_head.enabled=true").task

    assert task.attribute_ids == [3, 20, 30]
    assert task.category_attributes == ["0_2", "", "1"]


def test_a_set_without_attributes_is_refused(tmp_path):
    prepared = small_experiment.open_written(tmp_path)

    with pytest.raises(ValueError, match="has no attributes"):
        small_experiment.build(prepared, "task.attribute_head.enabled=true")


def test_what_nobody_said_and_what_cannot_be_costs_nothing():
    import types

    import tensorflow as tf

    from tfseg.configs.maskrcnn import AttributeHead as Config
    from tfseg.modeling.attribute_head import AttributeHead
    from tfseg.training.attribute_loss import attribute_logits, attribute_loss

    head = AttributeHead(["a", "b"], ["0", "0_1"], fc_dims=4)
    crops = tf.random.stateless_normal([1, 3, 2, 2, 5], [1, 2])
    model = types.SimpleNamespace(
        attribute_head=head, roi_aligner=lambda features, boxes: crops[:, : boxes.shape[1]]
    )

    def cost(attributes, classes):
        labels = {
            "gt_boxes": tf.constant([[[0, 0, 8, 8]] * 3], tf.float32),
            "gt_classes": tf.constant([classes], tf.int64),
            "gt_attributes": tf.constant([attributes], tf.int8),
            "sampling_seed": tf.constant([[3, 4]]),
            "images": tf.zeros([1, 8, 8, 3]),
        }
        config = Config(focal_gamma=0.0)
        logits = attribute_logits(model, {}, labels, config)
        return float(attribute_loss(head, logits, labels, config))

    absent, present = -np.log(0.95), -np.log(0.05)
    assert cost([[-1, -1]] * 3, [1, 2, 2]) == 0
    # The first category cannot have b, whatever was annotated.
    assert cost([[0, 1], [-1, -1], [-1, -1]], [1, 2, 2]) == pytest.approx(absent, rel=0.2)
    got = cost([[-1, -1], [-1, -1], [1, 0]], [1, 2, 2])
    assert got == pytest.approx(absent + present, rel=0.2)


def test_the_photo_stands_beside_the_features_of_every_level():
    import tensorflow as tf

    from tfseg.modeling.attribute_head import with_photo

    images = tf.random.stateless_normal([2, 19, 8, 3], [1, 2])
    features = {str(level): tf.zeros([2, -(-19 // 2**level), 8 // 2**level, 5]) for level in (2, 3)}

    both = with_photo(features, images)

    assert {level: values.shape.as_list() for level, values in both.items()} == {
        "2": [2, 5, 2, 8], "3": [2, 3, 1, 8]
    }  # fmt: skip
    fine, coarse = both["2"][..., 5:].numpy(), both["3"][..., 5:].numpy()
    assert fine[1, 1, 1] == pytest.approx(images[1, 4:8, 4:8].numpy().mean((0, 1)), abs=1e-6)
    assert coarse[0, 0, 0] == pytest.approx(images[0, :8, :8].numpy().mean((0, 1)), abs=1e-6)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model after some steps on red and blue garments, the losses, a photo."""
    import tensorflow as tf
    import tf_keras
    from official.core import task_factory

    import tfseg.training  # noqa: F401  registers the task

    prepared = small_experiment.open_written(tmp_path_factory.mktemp("set"), 12)
    photos = []
    for number in range(12):
        masks = [mask(SIZE, 4 + number, 3, 34 + number, 19), mask(SIZE, 12, 21, 58, 38)]
        colours = [number % 2, (number // 2) % 2]
        drawn = drawn_examples.photo([], SIZE, number)
        for one, colour in zip(masks, colours, strict=True):
            drawn[one > 0, 2 * colour] = 255
        texts = ["3" if colour == 0 else "20" for colour in colours]
        record = tf.train.Example.FromString(drawn_examples.example(masks, [1, 2], number + 1))
        record.features.feature["image/encoded"].bytes_list.value[:] = [drawn_examples.png(drawn)]
        values = [text.encode() for text in (texts if number else ["", ""])]
        record.features.feature["image/object/attributes"].bytes_list.value.extend(values)
        photos.append(record.SerializeToString())
    for path, part in zip(prepared.record_paths("train"), (photos[:6], photos[6:]), strict=True):
        with tf.io.TFRecordWriter(path) as writer:
            for photo in part:
                writer.write(photo)
    prepared = attributed(prepared, {1: (3, 20), 2: (3, 20)})
    tf_keras.utils.set_random_seed(1)
    overrides = ["task.attribute_head.enabled=true", "task.attribute_head.gradient_scale=1.0"]
    params = small_experiment.build(
        prepared,
        *overrides,
        "task.train_data.augmentation.copy_paste_probability=0.5",
        "task.model.detection_generator.pre_nms_score_threshold=0.0",
    )
    task = task_factory.get_task(params.task)
    model = task.build_model()
    optimizer = tf_keras.optimizers.legacy.SGD(0.02, momentum=0.9)
    metrics = task.build_metrics()
    step = tf.function(lambda batch: task.train_step(batch, model, optimizer, metrics))
    costs = []
    for batch in task.train_input().dataset().take(60):
        step(batch)
        [cost] = [one for one in metrics if one.name == "attribute_loss"]
        costs.append(float(cost.result()))
        cost.reset_states()
    return model, costs, photos[1]


def test_the_head_learns_what_garments_look_like(trained):
    model, costs, _ = trained

    assert len([one for one in model.trainable_variables if "attribute" in one.name]) == 6
    assert np.isfinite(costs).all()
    assert np.mean(costs[-10:]) < 0.6 * np.mean(costs[:10])


def test_the_served_answer_has_the_scores(trained):
    import tensorflow as tf

    from tfseg.inference.serving_module import ServingModule

    model, _, photo = trained
    encoded = tf.train.Example.FromString(photo).features.feature["image/encoded"].bytes_list.value
    module = ServingModule(model, (64, 64), 5, ("bag", "belt", "boots"), 0.0)

    answer = module.detect(tf.constant([encoded[0], b"no photo", encoded[0]]))

    nums = answer["num_detections"].numpy()
    scores = answer["attribute_scores"].numpy()
    assert module.attribute_names == ("red", "blue", "laced")
    assert module.attribute_thresholds == (0.5, 0.5, 0.5)
    assert nums[0] == nums[2] > 0 and nums[1] == 0
    assert scores.shape == (3, max(nums), 3) and scores.dtype == np.uint8
    assert (scores[0] == scores[2]).all() and not scores[1].any()
    texts = answer["attributes"].numpy()
    assert texts.shape == scores.shape[:2]
    for text, of_garment in zip(texts[0].tolist(), scores[0] / 255, strict=True):
        said = dict(line.rsplit(" ", 1) for line in text.decode().splitlines())
        expected = {n: s for n, s in zip(NAMES.values(), of_garment, strict=True) if s >= 0.5}
        assert said.keys() == expected.keys()
        assert {n: float(s) for n, s in said.items()} == pytest.approx(expected, abs=0.006)
    known = np.isin(answer["class_ids"].numpy()[0], [1, 2])
    assert (scores[0][:, 2] == 0).all()  # neither category can be laced
    assert scores[0][known, :2].any() and not scores[0][~known].any()


def test_an_export_answers_all_scores_only_where_asked(trained, tmp_path):
    import tensorflow as tf

    from tfseg import export
    from tfseg.inference.detector import detector_from_saved_model
    from tfseg.inference.serving_module import ServingModule

    model, _, photo = trained
    encoded = tf.train.Example.FromString(photo).features.feature["image/encoded"].bytes_list.value
    module = ServingModule(model, (64, 64), 5, ("bag", "belt", "boots"), 0.0)
    version_dir = export.export_module(module, tmp_path / "export")

    signatures = tf.saved_model.load(str(version_dir)).signatures
    outputs = {name: set(one.structured_outputs) for name, one in signatures.items()}
    assert "attribute_scores" in outputs.pop("with_attribute_scores")
    assert len(outputs) == 4
    for names in outputs.values():
        assert "attributes" in names and "attribute_scores" not in names

    detector = detector_from_saved_model(str(version_dir))
    expected = {name: value.numpy() for name, value in module.detect(tf.constant(encoded)).items()}
    for threshold in (None, 0.0):
        answer = detector.detect(list(encoded), threshold)
        assert answer.keys() == expected.keys()
        np.testing.assert_array_equal(answer["attribute_scores"], expected["attribute_scores"])
        np.testing.assert_array_equal(answer["attributes"], expected["attributes"])


def test_colours_by_pixels_stand_in_place_of_learnt_ones(trained):
    import tensorflow as tf

    from tfseg.inference.serving_module import ServingModule
    from tfseg.structures.colour_terms import COLOUR_NAMES

    model, _, photo = trained
    encoded = tf.train.Example.FromString(photo).features.feature["image/encoded"].bytes_list.value
    names = ("bag", "belt", "boots")
    learnt = ServingModule(model, (64, 64), 5, names, 0.0).detect(tf.constant(encoded))
    module = ServingModule(model, (64, 64), 5, names, 0.0, name_colours=True)

    answer = module.detect(tf.constant(encoded))

    assert module.attribute_names == ("laced", *COLOUR_NAMES)
    assert len(module.attribute_thresholds) == 12
    scores = answer["attribute_scores"].numpy()
    np.testing.assert_array_equal(scores[..., 0], learnt["attribute_scores"].numpy()[..., 2])
    said = scores[..., 1:] >= 0.5 * 255
    assert set(said.sum(axis=-1).ravel()) <= {1, 2}
    np.testing.assert_array_equal(answer["mask_rle"].numpy(), learnt["mask_rle"].numpy())
