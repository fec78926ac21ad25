"""Weights without the training around them: one safetensors file of float16.

The tensors are called as a checkpoint calls them, after the module they belong to:
"backbone/...", "detection_head/...". Format: https://huggingface.co/docs/safetensors.
"""

import os

import numpy as np
import safetensors
import safetensors.numpy
import tf_keras

from tfseg.checkpoint.variables import variables_by_path
from tfseg.io.atomic_files import whole_file
from tfseg.modeling.factory import modules_of


def save_weights(model: tf_keras.Model, path: str | os.PathLike, facts: dict[str, str]) -> None:
    """Writes every weight of a Mask R-CNN, rounded to float16.

    Args:
        model: From factory.build_model, weights loaded.
        path: Gets the file, whole or not at all.
        facts: Kept in the file's header, for people.

    Raises:
        ValueError: A weight is beyond float16's range.
    """
    tensors = {}
    for name, variable in _named(model).items():
        value = variable.numpy()
        tensors[name] = value.astype(np.float16)
        if not np.isfinite(tensors[name]).all():
            raise ValueError(f"{path}: {name} has values beyond float16's range, 65504.")
    with whole_file(path, "the weights") as partial:
        safetensors.numpy.save_file(tensors, partial, facts)


def load_weights(model: tf_keras.Model, path: str | os.PathLike) -> dict[str, str]:
    """Puts a file's weights into a Mask R-CNN of the same architecture.

    Returns:
        The facts in the file's header.

    Raises:
        ValueError: The file is missing, damaged, or of another architecture.
    """
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            facts = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, safetensors.SafetensorError) as error:
        raise ValueError(f"{path}: cannot read the weights ({error}).") from None
    variables = _named(model)
    if tensors.keys() != variables.keys():
        missing, unknown = variables.keys() - tensors.keys(), tensors.keys() - variables.keys()
        example = sorted(missing or unknown)[0]
        raise ValueError(
            f"{path}: weights of another model: {len(missing)} missing and {len(unknown)} unknown, "
            f"as {example}; expected those of the params.yaml beside it."
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != tensors[name].shape:
            raise ValueError(
                f"{path}: {name} has shape {list(tensors[name].shape)}, expected "
                f"{list(variable.shape)}."
            )
        variable.assign(tensors[name].astype(variable.dtype.as_numpy_dtype))
    return facts


def _named(model: tf_keras.Model) -> dict:
    return {
        f"{module_name}/{path}": variable
        for module_name, module in modules_of(model).items()
        for path, variable in variables_by_path(module).items()
    }
