"""Which devices train: one CPU or GPU, all GPUs of a machine, or several machines."""

import json
import os

import tensorflow as tf
import tf_keras


def make_strategy(num_gpus: int | None = None) -> tf.distribute.Strategy:
    """Chooses the distribution strategy.

    Args:
        num_gpus: How many GPUs of this machine to use; None means all, 0 means the CPU.

    Returns:
        MultiWorkerMirroredStrategy where TF_CONFIG names a cluster, MirroredStrategy for two GPUs
        or more, OneDeviceStrategy otherwise.

    Raises:
        ValueError: More GPUs are asked for than there are.
    """
    if json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    num_gpus = len(gpus) if num_gpus is None else num_gpus
    if not 0 <= num_gpus <= len(gpus):
        raise ValueError(f"--num_gpus={num_gpus}: this machine has {len(gpus)}.")
    if num_gpus > 1:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus[:num_gpus]])
    return tf.distribute.OneDeviceStrategy(gpus[0].name if num_gpus else "/cpu:0")


def set_precision(mixed_precision_dtype: str | None, bfloat16_on_cpu: bool) -> None:
    """Sets the number formats of the computation; weights stay float32 either way.

    Args:
        mixed_precision_dtype: `float32`, or `bfloat16` or `float16` for Keras's mixed precision.
        bfloat16_on_cpu: Let oneDNN use bfloat16 for convolutions and products on the CPU.
    """
    dtype = mixed_precision_dtype or "float32"
    tf_keras.mixed_precision.set_global_policy(dtype if dtype == "float32" else f"mixed_{dtype}")
    tf.config.optimizer.set_experimental_options(
        {"auto_mixed_precision_onednn_bfloat16": bfloat16_on_cpu}
    )
