"""A trained model, read back from the folder that a training wrote."""

from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg

from tfseg.checkpoint import weight_files
from tfseg.checkpoint.optimizers import averages_of, build_optimizer
from tfseg.configs.experiment import PARAMS_FILE, load_params
from tfseg.modeling import model_garden_compat
from tfseg.modeling.factory import build_model
from tfseg.zoo import packaged_models


class TrainedModel(NamedTuple):
    """A model with the weights of one checkpoint.

    Attributes:
        params: The locked ExperimentConfig it was trained with.
        model: Model Garden's MaskRCNNModel, weights loaded: the averaged ones where the training
            kept an exponential moving average.
        category_names: Names by category id - 1.
        step: Global step of the checkpoint.
        checkpoint_path: The checkpoint that was read.
    """

    params: cfg.ExperimentConfig
    model: tf_keras.Model
    category_names: tuple[str, ...]
    step: int
    checkpoint_path: str


def find_checkpoint(model_dir: str, checkpoint_path: str | None = None) -> str:
    """Returns the path prefix of the checkpoint to read: the given one, or model_dir's latest.

    Raises:
        ValueError: There is none.
    """
    if checkpoint_path:
        if not Path(f"{checkpoint_path}.index").is_file():
            raise ValueError(
                f"--checkpoint_path={checkpoint_path}: no such checkpoint; expected a prefix such "
                f"as {model_dir}/ckpt-1000 (without .index)."
            )
        return checkpoint_path
    latest = tf.train.latest_checkpoint(model_dir)
    if latest is None:
        raise ValueError(
            f"--model_dir={model_dir}: holds no checkpoint yet; let tfseg.train save one first."
        )
    return latest


def load_trained(model_dir: str, checkpoint_path: str | None = None) -> TrainedModel:
    """Builds the model that model_dir's params describe and loads a checkpoint's weights.

    Args:
        model_dir: A folder written by tfseg.train, or the name of a model in the box.
        checkpoint_path: A checkpoint prefix; None means the latest in model_dir.

    Raises:
        ValueError: model_dir, its params or its checkpoint is missing, or the checkpoint holds
            another number of categories than the params.
    """
    packaged = packaged_models.folder(model_dir)
    if packaged and not checkpoint_path:
        return _load_packaged(packaged)
    params = load_params(model_dir)
    checkpoint_path = find_checkpoint(model_dir, checkpoint_path)
    check_checkpoint_classes(checkpoint_path, params.task.model.num_classes)
    model = build_model(params.task)
    step = tf.Variable(0, dtype=tf.int64)
    items = {"model": model, "global_step": step}
    average = None
    if params.trainer.optimizer_config.ema:
        optimizer = build_optimizer(params.trainer.optimizer_config, params.runtime)
        items["optimizer"], average = optimizer, averages_of(optimizer)
        assert average is not None, "the config asks for it"
        average.shadow_copy(model)
    try:
        status = tf.train.Checkpoint(**items).read(checkpoint_path)
        status.expect_partial().assert_existing_objects_matched()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise ValueError(
            f"{checkpoint_path}: does not fit the model of {model_dir}/{PARAMS_FILE}, or is "
            f"damaged ({str(error).splitlines()[0]}); give another --checkpoint_path."
        ) from error
    if average:
        has_all = not params.trainer.optimizer_config.ema.trainable_weights_only
        for variable in model.variables if has_all else model.trainable_variables:
            variable.assign(average.get_slot(variable, "average"))
    return TrainedModel(
        params, model, tuple(params.task.category_names), int(step.numpy()), checkpoint_path
    )


def _load_packaged(folder: Path) -> TrainedModel:
    params = load_params(str(folder))
    model = build_model(params.task)
    path = folder / packaged_models.WEIGHTS_FILE
    facts = weight_files.load_weights(model, path)
    names = tuple(params.task.category_names)
    return TrainedModel(params, model, names, int(facts.get("step", 0)), str(path))


def fit_photos_into(trained: TrainedModel, input_size_hw: tuple[int, int]) -> None:
    """Has a model run on photos of another size than those that it was trained on.

    Larger finds small garments better, up to a point, and takes as much longer as it has more
    pixels; garments that fill a photo may become larger than any seen in training.

    Args:
        trained: Its params change, and so all that is made of it afterwards.
        input_size_hw: The box that photos are fitted into, pixels.
    """
    trained.params.task.model.override({"input_size": [*input_size_hw, 3]})


def check_checkpoint_classes(checkpoint_path: str, num_classes: int) -> None:
    """Raises ValueError when the checkpoint's class predictor has another number of classes.

    Args:
        checkpoint_path: A checkpoint prefix.
        num_classes: Expected number, background included.
    """
    try:
        variables = tf.train.list_variables(checkpoint_path)
    except tf.errors.OpError as error:
        raise ValueError(
            f"{checkpoint_path}: a damaged checkpoint ({error.message}); give an earlier one, or "
            "remove its files to go on from the one before."
        ) from None
    shape = model_garden_compat.class_bias_shape(variables)
    if shape is not None and shape != [num_classes]:
        raise ValueError(
            f"{checkpoint_path}: holds {shape[0] - 1} categories, expected {num_classes - 1}; "
            "the checkpoint belongs to another data set."
        )


def check_resumable(params: cfg.ExperimentConfig, model_dir: str) -> None:
    """Raises ValueError when model_dir's checkpoints cannot be trained on with these params."""
    latest = tf.train.latest_checkpoint(model_dir) if Path(model_dir).is_dir() else None
    if latest is None:
        return
    check_checkpoint_classes(latest, params.task.model.num_classes)
    before = load_params(model_dir)
    for name in ("category_names", "data_fingerprint"):
        if getattr(before.task, name) != getattr(params.task, name):
            raise ValueError(
                f"--model_dir={model_dir}: was trained on another data set ({name} differs); give "
                "another --model_dir, or the data set it was trained on."
            )
    if before.task.model.as_dict() != params.task.model.as_dict():
        raise ValueError(
            f"--model_dir={model_dir}: its model differs from the config's (task.model in "
            f"{model_dir}/{PARAMS_FILE}); give another --model_dir, or the config it was "
            "trained with."
        )
