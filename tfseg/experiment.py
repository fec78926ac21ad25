"""One locked ExperimentConfig from an experiment, YAML, overrides and a prepared data set.

Facts (category names, counts, file paths) come from the prepared data set and are never written in
a config; choices (sizes, learning rates, lengths) come from `configs/`. What was used is saved as
`params.yaml` in model_dir, and a trained model is read back from there.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
import tf_keras
import yaml
from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import hyperparams, optimization

from data_prep.prepared import PreparedDataset
from tfseg import mixing, schedule
from tfseg import task as fashion_task
from tfseg.whole_files import write_whole

PARAMS_FILE = "params.yaml"


class _YamlLoader(yaml.SafeLoader):
    """Reads 1e-3 as a number; YAML 1.1 wants 1.0e-3 and takes the other for text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


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


def build_params(
    experiment: str,
    config_paths: list[str],
    params_overrides: list[str],
    prepared: PreparedDataset,
    train_split: str = "train",
    num_gpus: int = 0,
    mixed: Sequence[mixing.Mixed] = (),
    seed: int | None = None,
) -> cfg.ExperimentConfig:
    """Combines a registered experiment with YAML files, overrides and the data set's facts.

    Args:
        experiment: Registered name, as `maskrcnn_resnetfpn_fashion`.
        config_paths: YAML files, later ones win; every key must exist in the experiment.
        params_overrides: `a.b.c=value` strings, applied after the YAML files.
        prepared: Where names, counts and paths come from.
        train_split: The split to train on.
        num_gpus: GPUs of this machine that will train; Model Garden uses XLA only where there are.
        mixed: Further data sets to train on.
        seed: Of the weights, the order and every draw; None leaves the config's, or 0.

    Returns:
        A locked, validated ExperimentConfig.

    Raises:
        ValueError: An unknown experiment, a missing or malformed YAML file, a key that does not
            exist, or a value that contradicts another.
    """
    try:
        params = exp_factory.get_exp_config(experiment)
    except LookupError:
        params = None
    if params is None or not isinstance(params.task, fashion_task.FashionMaskRCNN):
        raise ValueError(
            f"--experiment={experiment}: not a registered experiment of this project; use "
            f"{fashion_task.EXPERIMENT_NAME}."
        )
    for config_path in config_paths:
        _override(params, _read_yaml(config_path), source=config_path)
    for override in params_overrides:
        _override(params, _parse_override(override), source=f"--params_override={override}")
    _set_facts(params, prepared, train_split)
    mixing.add_data_sets(params.task, list(mixed), train_split)
    if params.task.train_data.augmentation.copy_paste_probability:
        params.task.train_data.parser.max_num_instances *= 2  # a photo's own and those pasted
    _check_batch(params)
    schedule.set_lengths(params)
    params.runtime.num_gpus = num_gpus
    if seed is not None:
        params.task.train_data.seed = seed
    _check(params)
    params.validate()
    params.lock()
    return params


def _read_yaml(config_path: str) -> dict:
    try:
        text = Path(config_path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{config_path}: cannot read the config file ({error.strerror})."
        ) from None
    try:
        content = yaml.load(text, _YamlLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{config_path}: not valid YAML: {str(error).splitlines()[0]}.") from None
    if not isinstance(content, dict):
        raise ValueError(
            f"{config_path}: expected a mapping at the top, got {type(content).__name__}."
        )
    return content


def _parse_override(override: str) -> dict:
    key, separator, value = override.partition("=")
    if not separator or not key:
        raise ValueError(
            f"--params_override={override}: expected KEY=VALUE, as trainer.train_steps=100."
        )
    try:
        content = yaml.load(value, _YamlLoader)
    except yaml.YAMLError:
        raise ValueError(f"--params_override={override}: the value is not valid YAML.") from None
    for part in reversed(key.strip().split(".")):
        content = {part: content}
    return content


def _override(params: cfg.ExperimentConfig, content: dict, source: str) -> None:
    try:
        hyperparams.override_params_dict(params, content, is_strict=True)
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        raise ValueError(
            f"{source}: {reason} Check the key's name and the value's type."
        ) from error


def _set_facts(params: cfg.ExperimentConfig, prepared: PreparedDataset, train_split: str) -> None:
    """Writes names, counts and paths of the prepared data set into the params."""
    task = params.task
    task.category_names = list(prepared.category_names)
    task.model.num_classes = len(prepared.category_names) + 1  # class 0 is background
    task.data_fingerprint = prepared.fingerprint
    num_examples = prepared.num_examples(train_split)
    task.train_data.input_path = ",".join(prepared.record_paths(train_split))
    if task.num_train_examples:
        num_examples = min(num_examples, task.num_train_examples)
    task.train_data.num_examples = num_examples
    # Instances beyond this number would be cut from an example without a word.
    needed = max(prepared.max_num_instances, 1)
    task.train_data.parser.max_num_instances = needed


def _check_batch(params: cfg.ExperimentConfig) -> None:
    batch = params.task.train_data.global_batch_size
    if batch <= 0:
        raise ValueError(f"task.train_data.global_batch_size: got {batch}, expected at least 1.")


def _check(params: cfg.ExperimentConfig) -> None:
    model = params.task.model
    if len(model.input_size) != 3 or min(model.input_size) <= 0 or model.input_size[2] != 3:
        raise ValueError(
            f"task.model.input_size: got {list(model.input_size)}, expected [height, width, 3]."
        )
    unknown = set(params.task.freeze) - set(fashion_task.MODULES)
    if unknown:
        raise ValueError(
            f"task.freeze: got {', '.join(sorted(unknown))}, expected any of "
            f"{', '.join(fashion_task.MODULES)}."
        )
    if params.trainer.train_steps <= 0:
        raise ValueError(
            f"trainer.train_steps: got {params.trainer.train_steps}, expected at least 1."
        )
    steps_per_loop = params.trainer.steps_per_loop
    if steps_per_loop <= 0:
        raise ValueError(f"trainer.steps_per_loop: got {steps_per_loop}, expected at least 1.")
    for name in ("summary_interval", "checkpoint_interval"):
        interval = getattr(params.trainer, name)
        if interval % steps_per_loop:
            raise ValueError(
                f"trainer.{name}: got {interval}, expected a multiple of "
                f"trainer.steps_per_loop={steps_per_loop}."
            )


def save_params(params: cfg.ExperimentConfig, model_dir: str) -> None:
    """Writes `params.yaml` into model_dir, whole or not at all."""
    write_whole(Path(model_dir) / PARAMS_FILE, yaml.safe_dump(params.as_dict(), sort_keys=False))


def load_params(model_dir: str) -> cfg.ExperimentConfig:
    """Reads the params that model_dir was trained with.

    Raises:
        ValueError: model_dir or its params.yaml is missing, or is not a params file of ours.
    """
    if not Path(model_dir).is_dir():
        raise ValueError(f"--model_dir={model_dir}: no such folder; train first with tfseg.train.")
    params_path = Path(model_dir) / PARAMS_FILE
    if not params_path.is_file():
        raise ValueError(
            f"--model_dir={model_dir}: no {PARAMS_FILE} inside; expected a folder "
            "that tfseg.train wrote."
        )
    params = exp_factory.get_exp_config(fashion_task.EXPERIMENT_NAME)
    _override(params, _read_yaml(str(params_path)), source=str(params_path))
    params.lock()
    return params


def check_same_categories(params: cfg.ExperimentConfig, prepared: PreparedDataset, model_dir: str):
    """Raises ValueError when model_dir was trained on other categories than `prepared` has."""
    trained, found = tuple(params.task.category_names), tuple(prepared.category_names)
    if trained != found:
        raise ValueError(
            f"--model_dir={model_dir}: trained on {len(trained)} categories ({_shorten(trained)}), "
            f"but the data set {prepared.path} has {len(found)} ({_shorten(found)}); use the data "
            "set it was trained on, or another --model_dir."
        )


def _shorten(names: tuple[str, ...], limit: int = 4) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")


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


def build_model(params: cfg.ExperimentConfig) -> tf_keras.Model:
    """Builds the model that params describe, with random weights."""
    return fashion_task.FashionMaskRCNNTask(params.task).build_model()


def load_trained(model_dir: str, checkpoint_path: str | None = None) -> TrainedModel:
    """Builds the model that model_dir's params describe and loads a checkpoint's weights.

    Args:
        model_dir: A folder written by tfseg.train.
        checkpoint_path: A checkpoint prefix; None means the latest in model_dir.

    Raises:
        ValueError: model_dir, its params or its checkpoint is missing, or the checkpoint holds
            another number of categories than the params.
    """
    params = load_params(model_dir)
    checkpoint_path = find_checkpoint(model_dir, checkpoint_path)
    check_checkpoint_classes(checkpoint_path, params.task.model.num_classes)
    model = build_model(params)
    step = tf.Variable(0, dtype=tf.int64)
    items = {"model": model, "global_step": step}
    average = None
    if params.trainer.optimizer_config.ema:
        factory = optimization.OptimizerFactory(params.trainer.optimizer_config)
        average = items["optimizer"] = factory.build_optimizer(factory.build_learning_rate())
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
        for variable in average._model_weights:
            variable.assign(average.get_slot(variable, "average"))
    return TrainedModel(
        params, model, tuple(params.task.category_names), int(step.numpy()), checkpoint_path
    )


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
    for name, shape in variables:
        if name.startswith("detection_head/0/_classifier/bias/.ATTR") and shape != [num_classes]:
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
