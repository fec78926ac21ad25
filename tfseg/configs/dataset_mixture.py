"""Trains on several prepared data sets at once, each with a weight.

Some of them may be pseudo-labelled: made of a model's own predictions, so that their photos count
for less in the loss.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from data_prep.prepared import PreparedDataset, open_prepared


@dataclass(frozen=True)
class Mixed:
    """One more data set of a training.

    Attributes:
        prepared: The data set; its categories are those of the first.
        weight: How often its photos come, compared with the first data set's.
        loss_weight: What the loss of its photos is multiplied by.
    """

    prepared: PreparedDataset
    weight: float
    loss_weight: float = 1.0


def open_mixed(
    specs: Iterable[str], loss_weight: float = 1.0, flag: str = "mix_data_dirs"
) -> list[Mixed]:
    """Opens data sets given as DIR or DIR:WEIGHT.

    Args:
        specs: The flag's values.
        loss_weight: What the loss of their photos is multiplied by.
        flag: Which it is, for messages.

    Raises:
        ValueError: A weight is not a positive number, or there is no data set in a folder.
    """
    mixed = []
    for spec in specs:
        data_dir, colon, text = spec.rpartition(":")
        if not colon:
            data_dir, text = spec, "1"
        try:
            weight = float(text)
        except ValueError:
            weight = 0.0
        if not 0 < weight < 1000:
            raise ValueError(
                f"--{flag}={spec}: got weight {text!r}, expected DIR:WEIGHT with a number "
                "above 0 and below 1000, such as prepared_product:0.5."
            )
        mixed.append(Mixed(open_prepared(data_dir), weight, loss_weight))
    return mixed


def add_data_sets(task, mixed: list[Mixed], train_split: str) -> None:
    """Adds data sets to a task config that holds the first one's facts.

    Args:
        task: maskrcnn.FashionMaskRCNN, changed in place.
        mixed: What to add.
        train_split: The split of each to train on.

    Raises:
        ValueError: A data set has other categories or no such split, or only the first photos are
            wanted.
    """
    if not mixed:
        return
    if task.num_train_examples:
        raise ValueError(
            f"task.num_train_examples={task.num_train_examples}: would leave out the further data "
            "sets; expected 0 with --mix_data_dirs and --pseudo_labels."
        )
    data = task.train_data
    paths = data.input_path.split(",")
    weights, loss_weights = [1.0] * len(paths), [1.0] * len(paths)
    for one in mixed:
        names = list(one.prepared.category_names)
        if names != list(task.category_names):
            raise ValueError(
                f"{one.prepared.path}: has the categories {', '.join(names)}; expected those of "
                f"--data_dir, {', '.join(task.category_names)}."
            )
        added = one.prepared.record_paths(train_split)
        paths += added
        weights += [one.weight] * len(added)
        loss_weights += [one.loss_weight] * len(added)
        data.max_num_ignored = max(data.max_num_ignored, one.prepared.max_num_ignored)
        data.num_examples += one.prepared.num_examples(train_split)
        data.parser.max_num_instances = max(
            data.parser.max_num_instances, one.prepared.max_num_instances
        )
    data.input_path, data.path_weights = ",".join(paths), weights
    if set(loss_weights) != {1.0}:
        data.path_loss_weights = loss_weights
    parts = [task.data_fingerprint, *map(_fingerprint, mixed)]
    task.data_fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fingerprint(one: Mixed) -> str:
    text = f"{one.prepared.fingerprint}:{one.weight}"
    return text if one.loss_weight == 1.0 else f"{text}:{one.loss_weight}"
