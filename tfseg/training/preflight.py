"""What is checked before a training starts anything slow."""

import shutil
from pathlib import Path

import psutil
import tensorflow as tf
import tf_keras

from tfseg.checkpoint import recovery
from tfseg.dataloaders import maskrcnn_input
from tfseg.training import gpu_memory, memory_estimate

_CHECKED_EXAMPLES = 200
_GIB = 2**30
_GPU_BASE_BYTES = 1.5 * _GIB  # CUDA, cuDNN and its work space; not measured


def check_batch(params, num_replicas: int) -> None:
    """Raises ValueError where a global batch cannot be shared out evenly, or parted."""
    batch = params.task.train_data.global_batch_size
    if batch % num_replicas:
        raise ValueError(
            f"task.train_data.global_batch_size: got {batch} on {num_replicas} devices, expected a "
            f"multiple of {num_replicas}."
        )
    parts = params.task.gradient_accumulation_steps
    if parts < 1 or batch // num_replicas % parts:
        raise ValueError(
            f"task.gradient_accumulation_steps: got {parts} for {batch // num_replicas} photos a "
            "device, expected a divisor of them."
        )


def check_start(params, model_dir: str, init_from: str | None) -> None:
    """Refuses to begin from nothing where the recipe is made for weights.

    Args:
        params: ExperimentConfig.
        model_dir: One that holds checkpoints goes on from them.
        init_from: What the caller gave.

    Raises:
        ValueError: There is no start; the message says where the recipe's is had.
    """
    goes_on = any(Path(model_dir).glob("ckpt-*.index"))
    if params.task.start and not (init_from or params.task.init_checkpoint or goes_on):
        raise ValueError(
            f"--init_from is missing: this recipe starts from {params.task.start.strip()}. To "
            "begin from random weights all the same, give --from_scratch."
        )


def check_category_ids(params) -> None:
    """Reads the first examples of every shard and looks at their categories.

    Raises:
        ValueError: A shard cannot be read, or a category id is out of range.
    """
    largest = len(params.task.category_names)
    for path in params.task.train_data.input_path.split(","):
        try:
            examples = maskrcnn_input.read_categories([path], _CHECKED_EXAMPLES)
        except (tf.errors.OpError, ValueError) as error:
            raise ValueError(
                f"{path}: the shard cannot be read ({str(error).splitlines()[0]}); build the data "
                "set again with --overwrite."
            ) from None
        ids = {int(one) for categories in examples for one in categories}
        wrong = sorted(one for one in ids if not 1 <= one <= largest)
        if wrong:
            raise ValueError(
                f"{path}: category id {wrong[0]}, expected 1 to {largest}; build the data set "
                "again with --overwrite."
            )


def check_disk(params, model_dir: str, num_values: int) -> None:
    """Raises ValueError where the checkpoints would not fit on the disk of model_dir.

    Args:
        params: ExperimentConfig.
        model_dir: Where they go; must exist.
        num_values: Values of the model's weights.
    """
    kept = (Path(model_dir), Path(model_dir) / recovery.BEST_DIR)  # damaged/ is not replaced
    files = (path for folder in kept for path in folder.glob("ckpt-*") if path.is_file())
    there = sum(path.stat().st_size for path in files)
    needed = recovery.num_bytes(params, num_values) - there
    free = shutil.disk_usage(model_dir).free
    if free < needed:
        raise ValueError(
            f"--model_dir={model_dir}: the checkpoints need {needed / _GIB:.3g} GiB more, "
            f"{free / _GIB:.3g} GiB are free; make room, or lower trainer.max_to_keep "
            f"({params.trainer.max_to_keep})."
        )


def describe(params, model_dir: str, model: tf_keras.Model, num_replicas: int) -> str:
    """One line for people: what is going to be trained, on what, and what it will take."""
    trainer, data = params.trainer, params.task.train_data
    epochs = trainer.train_steps * data.global_batch_size / data.num_examples
    devices = f" on {num_replicas} devices" if num_replicas > 1 else ""
    height, width = params.task.model.input_size[:2]
    num_values = model.count_params()
    disk = recovery.num_bytes(params, num_values) / _GIB
    return (
        f"{model_dir}: {trainer.train_steps} steps ({epochs:.1f} epochs), batch "
        f"{data.global_batch_size}{devices}, {height}x{width} pixels, {num_values / 1e6:.1f} M "
        f"weights; checkpoints every {trainer.checkpoint_interval} steps, up to {disk:.1f} GiB; "
        f"{_memory(params, model, num_replicas)}"
    )


def _memory(params, model: tf_keras.Model, num_replicas: int) -> str:
    """What the training takes of the machine's memory, or of each GPU's."""
    gpu_bytes = gpu_memory.smallest_total() if tf.config.get_visible_devices("GPU") else None
    if gpu_bytes is None:
        needed = memory_estimate.estimate(params, model)
        return f"memory about {needed / _GIB:.1f} of {psutil.virtual_memory().total / _GIB:.0f} GiB"
    at_once = memory_estimate.photos_at_once(params, num_replicas)
    fixed = memory_estimate.bytes_of_weights(params, model) + _GPU_BASE_BYTES
    a_photo = memory_estimate.bytes_of_batch(params, model, 1)
    most = max(0, int((gpu_bytes - fixed) // a_photo))
    told = (
        f"memory about {(fixed + at_once * a_photo) / _GIB:.1f} of {gpu_bytes / _GIB:.0f} GiB a GPU"
    )
    if at_once <= most:
        return told
    told += f", WHICH IS TOO MUCH: about {most} photos a GPU fit; lower "
    told += f"task.train_data.global_batch_size to {most * num_replicas}, and the learning rate "
    share = params.task.train_data.global_batch_size // num_replicas
    parts = [number for number in range(2, share + 1) if share % number == 0]
    enough = [number for number in parts if share // number <= most]
    if not enough:
        return f"{told}with it"
    return f"{told}with it, or set task.gradient_accumulation_steps={enough[0]} for the same update"
