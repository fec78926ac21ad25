"""One locked ExperimentConfig from an experiment, YAML, overrides and a prepared data set.

Facts (category names, counts, file paths) come from the prepared data set and are never written in
a config; choices (sizes, learning rates, lengths) come from `configs/`. What was used is saved as
`params.yaml` in model_dir; `trained_model` reads a model back from there.
"""

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from official.core import config_definitions as cfg
from official.core import exp_factory

from data_prep.prepared import PreparedDataset
from tfseg.configs import dataset_mixture, maskrcnn, overrides, recipes, schedule
from tfseg.io.atomic_files import write_whole

PARAMS_FILE = "params.yaml"


class _YamlLoader(yaml.SafeLoader):
    """Reads 1e-3 as a number; YAML 1.1 wants 1.0e-3 and takes the other for text."""


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def build_params(
    experiment: str,
    config_paths: list[str],
    params_overrides: list[str],
    prepared: PreparedDataset,
    train_split: str = "train",
    num_gpus: int = 0,
    mixed: Sequence[dataset_mixture.Mixed] = (),
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
    if params is None or not isinstance(params.task, maskrcnn.FashionMaskRCNN):
        raise ValueError(
            f"--experiment={experiment}: not a registered experiment of this project; use "
            f"{maskrcnn.EXPERIMENT_NAME}."
        )
    for config_path in config_paths:
        overrides.apply(params, read_yaml(config_path), source=config_path)
    for override in params_overrides:
        overrides.apply(params, _parse_override(override), source=f"--params_override={override}")
    _set_facts(params, prepared, train_split)
    dataset_mixture.add_data_sets(params.task, list(mixed), train_split)
    if params.task.train_data.augmentation.copy_paste_probability:
        params.task.train_data.parser.max_num_instances *= 2  # a photo's own and those pasted
        params.task.train_data.max_num_ignored *= 2
    _check_batch(params)
    schedule.set_lengths(params)
    params.runtime.num_gpus = num_gpus
    if seed is not None:
        params.task.train_data.seed = seed
    _check(params)
    params.validate()
    params.lock()
    return params


def read_yaml(config_path: str) -> dict:
    """Reads a config file, by path or a recipe's name.

    Raises:
        ValueError: It is missing, or is no mapping in YAML.
    """
    config_path = recipes.find(config_path)
    try:
        text = Path(config_path).read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(
            f"{config_path}: cannot read the config file ({error.strerror})."
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{config_path}: not UTF-8 text ({error.reason}).") from None
    try:
        content = yaml.load(text, _YamlLoader)
    except RecursionError:
        raise ValueError(f"{config_path}: not valid YAML: nested too deep.") from None
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
    except (yaml.YAMLError, RecursionError):
        raise ValueError(
            f"--params_override={override[:200]}: the value is not valid YAML."
        ) from None
    for part in reversed(key.strip().split(".")):
        content = {part: content}
    return content


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
    task.train_data.max_num_ignored = prepared.max_num_ignored
    if task.attribute_head.enabled:
        _set_attributes(task, prepared)


def _set_attributes(task: maskrcnn.FashionMaskRCNN, prepared: PreparedDataset) -> None:
    if not prepared.attribute_names:
        raise ValueError(
            f"task.attribute_head.enabled: the data set {prepared.path} has no attributes; prepare "
            "one that has (fgvc6, fashionpedia, or any with --colour_attributes)."
        )
    task.attribute_ids = list(prepared.attribute_names)
    task.attribute_names = list(prepared.attribute_names.values())
    position = {one: number for number, one in enumerate(task.attribute_ids)}
    if prepared.category_attributes is not None:
        task.category_attributes = [
            "_".join(str(position[one]) for one in prepared.category_attributes.get(category, ()))
            for category in range(1, len(task.category_names) + 1)
        ]


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
    suppression = model.detection_generator
    if suppression.nms_version == "v1" and suppression.soft_nms_sigma:
        raise ValueError(
            f"task.model.detection_generator.soft_nms_sigma: got {suppression.soft_nms_sigma}, "
            "expected 0 or null: evaluation and export cannot suppress softly."
        )
    unknown = set(params.task.freeze) - set(maskrcnn.MODULES)
    if unknown:
        raise ValueError(
            f"task.freeze: got {', '.join(sorted(unknown))}, expected any of "
            f"{', '.join(maskrcnn.MODULES)}."
        )
    if "attribute_head" in params.task.freeze and not params.task.attribute_head.enabled:
        raise ValueError(
            "task.freeze: got attribute_head, which the model has not; set "
            "task.attribute_head.enabled, or leave it out."
        )
    if params.trainer.train_steps <= 0:
        raise ValueError(
            f"trainer.train_steps: got {params.trainer.train_steps}, expected at least 1."
        )
    for name, value, is_right, expected in _ranges(params):
        if not is_right:
            raise ValueError(f"{name}: got {value}, expected {expected}.")
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


def _ranges(params: cfg.ExperimentConfig) -> Iterator[tuple[str, object, bool, str]]:
    """Values that would train something else without a word: key, value, if it can be, what can."""
    model, parser = params.task.model, params.task.train_data.parser
    levels = f"{model.min_level} to {model.max_level}"
    yield "task.model.min_level", levels, 1 <= model.min_level <= model.max_level, "a rising range"
    scales = parser.aug_scale_min, parser.aug_scale_max
    is_range = 0 < scales[0] <= scales[1] < math.inf
    yield "task.train_data.parser.aug_scale_min and _max", scales, is_range, "0 < min <= max"
    optimizer = params.trainer.optimizer_config
    key = "trainer.optimizer_config"
    if optimizer.ema:
        decay = optimizer.ema.average_decay
        yield f"{key}.ema.average_decay", decay, 0 <= decay <= 1, "0 to 1"
    rate = getattr(optimizer.learning_rate.get(), "initial_learning_rate", 0.0)
    name = f"{key}.learning_rate.{optimizer.learning_rate.type}.initial_learning_rate"
    yield name, rate, 0 <= rate < math.inf, "a number from 0"


def save_params(params: cfg.ExperimentConfig, model_dir: str) -> None:
    """Writes `params.yaml` into model_dir, whole or not at all."""
    content = yaml.safe_dump(params.as_dict(), sort_keys=False)
    write_whole(Path(model_dir) / PARAMS_FILE, content, "the training's parameters")


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
    params = exp_factory.get_exp_config(maskrcnn.EXPERIMENT_NAME)
    overrides.apply(params, read_yaml(str(params_path)), source=str(params_path))
    params.lock()
    return params
