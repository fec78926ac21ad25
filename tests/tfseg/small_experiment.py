"""An experiment small enough to train in a test: drawn photos, ResNet-10, 64 pixels."""

import os
import sys
from pathlib import Path

import numpy as np

from data_prep.prepared import PreparedDataset
from tests import forked
from tests.tfseg import drawn_examples
from tests.tfseg.drawn_examples import mask

SIZE = (60, 40)
NAMES = ("bag", "belt", "boots")
# Any recipe of a pyramid at 64 pixels.
SMALL_MODEL = (
    "task.model.input_size=[64,64,3]",
    "task.model.decoder.fpn.num_filters=16",
    "task.model.rpn_head.num_filters=16",
    "task.model.detection_head.fc_dims=32",
    "task.model.mask_head.num_convs=1",
    "task.model.mask_head.num_filters=16",
    "task.model.roi_generator.pre_nms_top_k=60",
    "task.model.roi_generator.num_proposals=20",
    "task.model.roi_sampler.num_sampled_rois=16",
    "task.model.mask_sampler.num_sampled_masks=4",
    "task.train_data.parser.rpn_batch_size_per_im=32",
)
OVERRIDES = (
    "task.model.decoder.type=fpn",
    *SMALL_MODEL,
    "task.model.min_level=3",
    "task.model.max_level=5",
    "task.model.backbone.resnet.model_id=10",
    "task.model.norm_activation.use_sync_bn=true",
    "task.train_data.global_batch_size=4",
    "task.train_data.parser.aug_scale_min=0.7",
    "task.train_data.parser.aug_scale_max=1.5",
    "trainer.steps_per_loop=2",
    "trainer.summary_interval=2",
    "trainer.checkpoint_interval=4",
    "trainer.optimizer_config.warmup.linear.warmup_steps=2",
)


def open_written(folder: Path, num_examples=12, names=NAMES) -> PreparedDataset:
    """What write_prepared wrote."""
    return PreparedDataset(
        path=folder,
        name="drawn",
        category_names=tuple(names),
        splits=("train",),
        max_num_instances=2,
        fingerprint="abc",
        _shard_lengths={"train": (num_examples // 2, num_examples - num_examples // 2)},
    )


def write_prepared(folder: Path, num_examples=12, names=NAMES) -> PreparedDataset:
    """Writes two shards of drawn photos; the last photo has no instances."""
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    prepared = open_written(folder, num_examples, names)
    examples = []
    for index in range(num_examples):
        masks = [mask(SIZE, 4 + index, 3, 30 + index, 20), mask(SIZE, 30, 18, 58, 36)]
        classes = [1 + index % len(names), 1 + (index + 1) % len(names)]
        kept = 0 if index == num_examples - 1 else 2
        examples.append(drawn_examples.example(masks[:kept], classes[:kept], index + 1))
    half = num_examples // 2
    for path, part in zip(
        prepared.record_paths("train"), (examples[:half], examples[half:]), strict=True
    ):
        with tf.io.TFRecordWriter(path) as writer:
            for one in part:
                writer.write(one)
    return prepared


def build(prepared: PreparedDataset, *overrides, seed=1):
    """Builds the params of the small experiment."""
    from tfseg.configs import experiment

    return experiment.build_params(
        "maskrcnn_resnetfpn_fashion", [], [*OVERRIDES, *overrides], prepared, seed=seed
    )


def start(prepared, model_dir, steps, overrides=(), num_devices=1, tf_config="{}"):
    """Trains in a process of its own, on logical CPU devices or as one of several workers."""
    return forked.Process(
        "tests.tfseg.small_experiment",
        *(prepared.path, model_dir, num_devices, f"trainer.train_steps={steps}", *overrides),
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_CONFIG": tf_config},
        merged=True,
    )


def finish(process) -> str:
    """Waits for a training that must succeed and returns what it printed."""
    printed = process.communicate(timeout=500)[0]
    assert process.returncode == 0, printed
    return printed


def weights(model_dir, step) -> dict[str, np.ndarray]:
    """Every tensor of a checkpoint: model, optimizer, averages, step."""
    import tensorflow as tf

    reader = tf.train.load_checkpoint(f"{model_dir}/ckpt-{step}")
    names = [name for name in reader.get_variable_to_shape_map() if "_CHECKPOINT" not in name]
    return {name: reader.get_tensor(name) for name in names if name != "save_counter"}


def assert_same_weights(one, other, tolerance=1e-4):
    """Compares what weights() gave: each tensor's distance relative to its length."""
    assert one.keys() == other.keys()
    for name in one:
        if one[name].dtype.kind in "fi":
            distance = np.linalg.norm(np.float64(one[name]) - other[name])
            assert distance <= tolerance * max(np.linalg.norm(np.float64(other[name])), 1), name


def leave_graphs_as_traced() -> None:
    """Has TensorFlow run graphs as they are: to rewrite a small step costs more than all its steps.

    Steps of two devices take a fifth of their time for it; those of one are left to be rewritten.
    """
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def main(folder, model_dir, num_devices, *overrides) -> None:
    """Trains; started by start()."""
    import tensorflow as tf

    from tfseg.io import command_line
    from tfseg.training import train_loop

    distribution = None
    if int(num_devices) > 1:
        leave_graphs_as_traced()
        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * int(num_devices)
        tf.config.set_logical_device_configuration(cpu, devices)
        distribution = tf.distribute.MirroredStrategy(
            [f"CPU:{index}" for index in range(int(num_devices))]
        )
    with command_line.one_line_errors(again=None):
        params = build(open_written(Path(folder)), *overrides)
        train_loop.train(params, model_dir, distribution=distribution)


if __name__ == "__main__":
    main(*sys.argv[1:])
