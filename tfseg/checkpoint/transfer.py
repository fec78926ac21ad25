"""Where a training starts: another training's weights, or a checkpoint that Model Garden published.

Everything is taken over but the output layers that know the categories; of those the rows of the
categories that both data sets share, by name or by a map of names.
"""

import dataclasses
import tarfile
import tempfile
import urllib.parse
import urllib.request
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfseg.checkpoint import trained_model
from tfseg.checkpoint.variables import variables_by_path
from tfseg.configs import experiment
from tfseg.io.tar_files import plain_members
from tfseg.modeling import model_garden_compat
from tfseg.modeling.factory import modules_of
from tfseg.zoo import packaged_models


@dataclasses.dataclass
class Transfer:
    """What a start took over.

    Attributes:
        source: Where from.
        loaded: Modules taken over whole, with their number of weights.
        mapped: Categories whose output rows were taken over: our name <- theirs.
        new: Modules and categories that start at random.
    """

    source: str
    loaded: list[str] = dataclasses.field(default_factory=list)
    mapped: list[str] = dataclasses.field(default_factory=list)
    new: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"started from {self.source}"]
        for title, items in (("loaded", self.loaded), ("mapped", self.mapped), ("new", self.new)):
            lines.append(f"  {title}: {', '.join(items) or 'none'}")
        return "\n".join(lines)


def initialise(
    model, category_names, init_from: str, category_map: Mapping[str, str | None]
) -> Transfer:
    """Takes over weights for a training that starts.

    Args:
        model: The Mask R-CNN to start.
        category_names: Its categories, by category id - 1.
        init_from: A model in the box by name; a model_dir of ours, or a checkpoint in one; or a
            checkpoint, folder, .tar.gz or URL of one that Model Garden published.
        category_map: Source category -> category of ours, for names that differ.

    Returns:
        What was taken over.

    Raises:
        ValueError: There is no such checkpoint, nothing of it fits, or its backbone is of the
            same type and does not fit.
    """
    if packaged_models.folder(init_from):
        trained = trained_model.load_trained(init_from)
        return _from_trained(model, tuple(category_names), trained, category_map)
    path = Path(init_from)
    of_ours = path if (path / experiment.PARAMS_FILE).is_file() else path.parent
    if (of_ours / experiment.PARAMS_FILE).is_file():
        checkpoint = None if of_ours == path else init_from
        trained = trained_model.load_trained(str(of_ours), checkpoint)
        transfer = _from_trained(model, tuple(category_names), trained, category_map)
    else:
        transfer = _from_published(model, init_from)
    if not transfer.loaded:
        raise ValueError(
            f"--init_from={init_from}: nothing of it fits the model; check that task.model is the "
            "architecture it was trained with."
        )
    return transfer


def _from_trained(model, category_names, trained, category_map) -> Transfer:
    transfer = Transfer(f"{trained.checkpoint_path} (step {trained.step})")
    rows = category_rows(category_names, trained.category_names, category_map)
    theirs = modules_of(trained.model)
    for name, module in modules_of(model).items():
        if name not in theirs:
            transfer.new.append(name)
            continue
        values = _values(module, theirs[name], rows)
        if name == "attribute_head" and module.attribute_names != theirs[name].attribute_names:
            values = None
        if values is None:
            if name == "backbone" and type(module) is type(theirs[name]):
                raise ValueError(
                    f"--init_from={trained.checkpoint_path}: its backbone is a "
                    f"{type(module).__name__} too but of other weights than "
                    "task.model.backbone's, which would start at random; give the same "
                    "task.model.backbone as in its params.yaml, or leave --init_from out."
                )
            why = _other_anchors(module, theirs[name]) if name == "rpn_head" else ""
            transfer.new.append(f"{name} ({why or 'another architecture'})")
            continue
        for ours, value in values:
            ours.assign(value)
        transfer.loaded.append(f"{name} ({len(values)} weights)")
    for name, sources in zip(category_names, rows[1:], strict=True):
        if sources:
            origin = " + ".join(trained.category_names[row - 1] for row in sources)
            transfer.mapped.append(f"{name} <- {origin}")
        else:
            transfer.new.append(name)
    return transfer


def _other_anchors(ours, theirs) -> str:
    """Says so where region heads differ in their anchors at a place; "" where they do not."""
    num_ours, num_theirs = (
        model_garden_compat.region_head_layers(head).scores.kernel.shape[-1]
        for head in (ours, theirs)
    )
    if num_ours == num_theirs:
        return ""
    return (
        f"ALL OF IT, at random: it has {num_ours} anchors at a place, the start's {num_theirs}; "
        "task.model.anchor's num_scales x aspect_ratios of the start would keep what it learned"
    )


def _values(module, source, rows) -> list[tuple[tf.Variable, np.ndarray]] | None:
    """Every weight of a module and its value to start with; None where one has no counterpart."""
    ours, theirs = variables_by_path(module), variables_by_path(source)
    if ours.keys() != theirs.keys():
        return None
    values = []
    for path, variable in ours.items():
        value = _value(variable, theirs[path], rows)
        if value is None:
            return None
        values.append((variable, value))
    return values


def category_rows(category_names, source_names, category_map) -> list[list[int]]:
    """For each class of ours, background first, the source's classes that it continues."""
    rows = [[0]]
    for name in category_names:
        same = [i + 1 for i, source in enumerate(source_names) if source == name]
        renamed = [i + 1 for i, s in enumerate(source_names) if category_map.get(s) == name]
        rows.append(same or renamed)
    return rows


def _value(ours, source, rows) -> np.ndarray | None:
    """The values to start a weight with; None where the source's has another meaning.

    An output layer's last axis is mapped class by class; several source classes give their mean.
    """
    num_source = max((row for row_list in rows for row in row_list), default=0)
    ours_value, source_value = ours.numpy(), source.numpy()
    ours_classes = len(rows)
    per_class = model_garden_compat.entries_per_class(ours)
    # One that is the same for all classes has another width.
    if not per_class or ours_value.shape[-1] != per_class * ours_classes:
        return source_value if source_value.shape == ours_value.shape else None
    same_rest = source_value.shape[:-1] == ours_value.shape[:-1]
    if not same_rest or source_value.shape[-1] < per_class * (num_source + 1):
        return None
    ours_rows = ours_value.reshape(*ours_value.shape[:-1], ours_classes, per_class)
    source_rows = source_value.reshape(*source_value.shape[:-1], -1, per_class)
    for index, sources in enumerate(rows):
        if sources:
            ours_rows[..., index, :] = source_rows[..., sources, :].mean(axis=-2)
    return ours_rows.reshape(ours_value.shape)


def _from_published(model, init_from: str) -> Transfer:
    """Reads backbone and decoder of a Model Garden checkpoint, which are saved by these names."""
    with tempfile.TemporaryDirectory() as scratch:
        checkpoint = find_published(init_from, Path(scratch))
        transfer = Transfer(init_from)
        for name, module in modules_of(model).items():
            if name not in ("backbone", "decoder"):
                transfer.new.append(name)
                continue
            before = module.get_weights()
            try:
                status = tf.train.Checkpoint(**{name: module}).read(checkpoint)
                status.expect_partial().assert_existing_objects_matched()
            except (AssertionError, ValueError):
                module.set_weights(before)
                transfer.new.append(f"{name} (another architecture)")
            else:
                transfer.loaded.append(f"{name} ({len(before)} weights)")
        return transfer


def find_published(init_from: str, scratch: Path) -> str:
    """Returns the prefix of a published checkpoint, fetched and unpacked where need be.

    Args:
        init_from: A checkpoint prefix, a folder with one, a .tar.gz of one, or such a file's URL.
        scratch: Folder for what is fetched and unpacked.

    Raises:
        ValueError: It cannot be fetched or unpacked, or holds no checkpoint.
    """
    path = Path(init_from)
    if urllib.parse.urlparse(init_from).scheme in ("http", "https", "file"):
        path = scratch / "checkpoint.tar.gz"
        try:
            urllib.request.urlretrieve(init_from, path)
        except OSError as error:
            raise ValueError(f"--init_from={init_from}: cannot be fetched ({error}).") from None
    if path.is_file() and tarfile.is_tarfile(path):
        try:
            with tarfile.open(path) as archive:
                archive.extractall(
                    scratch / "unpacked", members=plain_members(archive), filter="data"
                )
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise ValueError(
                f"--init_from={init_from}: cannot be unpacked ({error}); download it again."
            ) from None
        path = scratch / "unpacked"
    if Path(f"{path}.index").is_file():
        return str(path)
    found = sorted(path.rglob("*.index")) if path.is_dir() else []
    if len(found) != 1:
        raise ValueError(
            f"--init_from={init_from}: holds {len(found)} checkpoints, expected one (a prefix as "
            "DIR/ckpt-1000, a folder with one, or its .tar.gz)."
        )
    return str(found[0].with_suffix(""))
