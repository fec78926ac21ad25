import numpy as np
import pytest

from tests.tfseg import drawn_examples, small_experiment
from tests.tfseg.drawn_examples import mask

pytestmark = pytest.mark.slow
BATCH, ROIS, CLASSES, MASKS, SIDE = 2, 6, 4, 3, 5


def random_step(class_targets):
    """Outputs and labels as a training step's, of random numbers."""
    import tensorflow as tf

    rng = np.random.default_rng(3)

    def normal(*shape):
        return tf.constant(rng.normal(size=shape), tf.float32)

    score_targets = tf.constant(rng.integers(-1, 2, (BATCH, 4, 4, 3)))
    moves = normal(BATCH, 4, 4, 12) * tf.repeat(tf.cast(score_targets == 1, tf.float32), 4, axis=-1)
    targets = tf.constant([class_targets] * BATCH, tf.float32)
    outputs = {
        "rpn_scores": {"3": normal(BATCH, 4, 4, 3)},
        "rpn_boxes": {"3": normal(BATCH, 4, 4, 12)},
        "class_outputs": normal(BATCH, ROIS, CLASSES),
        "class_targets": targets,
        "box_outputs": normal(BATCH, ROIS, 4 * CLASSES),
        "box_targets": tf.where(targets[..., tf.newaxis] > 0, normal(BATCH, ROIS, 4), 0.0),
        "mask_outputs": normal(BATCH, MASKS, SIDE, SIDE),
        "mask_targets": tf.constant(rng.integers(0, 2, (BATCH, MASKS, SIDE, SIDE)), tf.float32),
        "mask_class_targets": tf.constant([[1, 3, 0]] * BATCH, tf.float32),
    }
    labels = {
        "gt_boxes": normal(BATCH, 2, 4),
        "rpn_score_targets": {"3": score_targets},
        "rpn_box_targets": {"3": moves},
    }
    return outputs, labels


def config(**losses):
    from tfseg.configs.maskrcnn import FashionMaskRCNN

    return FashionMaskRCNN(
        model={"num_classes": CLASSES},
        losses={"rpn_box_weight": 2.0, "l2_weight_decay": 0, **losses},
    )


@pytest.mark.parametrize(
    "losses",
    [
        {},
        {"frcnn_class_use_binary_cross_entropy": True},
        {"frcnn_class_loss_top_k_percent": 0.5},
        {"class_weights": [0.5, 1.0, 2.0, 3.0]},
    ],
)
def test_with_weights_of_one_they_are_model_gardens(losses):
    from official.vision.tasks import maskrcnn

    from tfseg.training import weighted_losses

    outputs, labels = random_step([0, 0, 1, 2, 3, 0])
    task_config = config(**losses)

    ours = weighted_losses.build_losses(outputs, labels, task_config, [1.5])
    theirs = maskrcnn.MaskRCNNTask(task_config).build_losses(outputs, labels, [1.5])

    assert ours.keys() == theirs.keys()
    for name, loss in theirs.items():
        np.testing.assert_allclose(ours[name], loss, rtol=1e-5, err_msg=name)


def gradients(outputs, labels):
    import tensorflow as tf

    from tfseg.training import weighted_losses

    names = ("class_outputs", "box_outputs", "mask_outputs")
    watched = [*(outputs[name] for name in names), outputs["rpn_scores"]["3"]]
    with tf.GradientTape() as tape:
        tape.watch(watched)
        loss = weighted_losses.build_losses(outputs, labels, config())["total_loss"]
    return [gradient.numpy() for gradient in tape.gradient(loss, watched)]


def test_an_ignored_roi_and_unknown_pixels_have_no_gradient():
    outputs, labels = random_step([0, -1, 1, 2, 3, 0])
    # What Model Garden makes of a RoI that matches no box and is not class 0: log of no size.
    outputs["box_targets"] = np.array(outputs["box_targets"])
    outputs["box_targets"][:, 1] = -np.inf
    targets = np.array(outputs["mask_targets"])
    targets[:, :, 2] = -1
    outputs["mask_targets"] = targets

    classes, boxes, masks, _ = gradients(outputs, labels)

    assert np.isfinite(boxes).all() and np.isfinite(classes).all()
    assert not classes[:, 1].any() and not boxes[:, 1].any()
    assert classes[:, [0, 2, 3, 4, 5]].any(axis=-1).all() and boxes[:, 2:5].any(axis=-1).all()
    assert not masks[:, :, 2].any()
    assert masks[:, :2, :2].all()


def test_half_the_weight_is_half_the_gradient():
    import tensorflow as tf

    outputs, labels = random_step([0, 0, 1, 2, 3, 0])
    whole = gradients(outputs, labels)
    weighted = gradients(outputs, {**labels, "example_weight": tf.constant([1.0, 0.5])})

    for one, other in zip(weighted, whole, strict=True):
        np.testing.assert_allclose(one[0], other[0], atol=1e-7)
        np.testing.assert_allclose(one[1], other[1] / 2, atol=1e-7)


def training(tmp_path, photos, *overrides, **train_data):
    """A task and its model on photos of drawn_examples.example, two shards of one."""
    import tensorflow as tf
    from official.core import task_factory

    import tfseg.training  # noqa: F401  registers the task

    prepared = small_experiment.open_written(tmp_path, 2)
    for path, photo in zip(prepared.record_paths("train"), photos, strict=True):
        with tf.io.TFRecordWriter(path) as writer:
            writer.write(photo)
    params = small_experiment.build(prepared, "task.losses.l2_weight_decay=0", *overrides)
    task = task_factory.get_task(params.task.replace(train_data=train_data))
    return task, task.build_model()


def losses_of_steps(task, model, num_steps) -> dict[str, float]:
    """Trains and returns the losses' means."""
    import tensorflow as tf
    import tf_keras

    optimizer = tf_keras.optimizers.legacy.SGD(0.01)
    names = ("rpn_score_loss", "frcnn_cls_loss", "frcnn_box_loss", "mask_loss")
    metrics = [tf_keras.metrics.Mean(name) for name in names]
    step = tf.function(lambda batch: task.train_step(batch, model, optimizer, metrics))
    for batch in task.train_input().dataset().take(num_steps):
        step(batch)
    return {metric.name: float(metric.result()) for metric in metrics}


def test_a_training_on_regions_and_weights_learns(tmp_path):
    """Two steps of the whole model; in one photo all is unsure."""
    size = small_experiment.SIZE
    everywhere = mask(size, 0, 0, *size)
    photos = [
        drawn_examples.example([mask(size, 5, 3, 40, 20), everywhere], [1, 2], 1, crowds=[0, 1]),
        drawn_examples.example([everywhere], [2], 2, crowds=[1]),
    ]
    task, model = training(
        *(tmp_path, photos, "task.train_data.global_batch_size=2"),
        **{"max_num_ignored": 1, "path_loss_weights": [1.0, 0.5]},
    )
    ((_, labels),) = task.train_input().dataset().take(1)

    losses = losses_of_steps(task, model, 2)

    assert sorted(labels["example_weight"].numpy().tolist()) == [0.5, 1.0]
    assert labels["ignored_boxes"].shape == (2, 1, 4)
    assert all(np.isfinite(loss) and loss > 0 for loss in losses.values())


@pytest.mark.parametrize("max_num_ignored", [1, 0])
def test_heads_learn_nothing_from_a_photo_that_is_all_unsure(tmp_path, max_num_ignored):
    size = (64, 64)
    photo = drawn_examples.example([mask(size, 0, 0, *size)], [2], 2, size, crowds=[1])
    task, model = training(
        *(tmp_path, [photo, photo], "task.train_data.global_batch_size=2"),
        *("task.train_data.parser.aug_scale_min=1", "task.train_data.parser.aug_scale_max=1"),
        max_num_ignored=max_num_ignored,
    )

    losses = losses_of_steps(task, model, 1)

    assert losses["frcnn_box_loss"] == losses["mask_loss"] == 0
    assert (losses["frcnn_cls_loss"] == 0) == bool(max_num_ignored)
