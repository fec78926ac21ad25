"""Which devices train: one CPU or GPU, all GPUs of a machine, or several machines."""

import json
import os

import tensorflow as tf
import tf_keras

# oneDNN's gradients of depthwise convolutions take longer in bfloat16 than in float32, up to six
# times. TensorFlow reads the variable when it rewrites a graph.
KEPT_IN_FLOAT32 = "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_ALLOWLIST_REMOVE"
_DEPTHWISE_GRADIENTS = (
    "DepthwiseConv2dNativeBackpropFilter",
    "DepthwiseConv2dNativeBackpropInput",
)


def count_gpus(wanted: int | None = None) -> int:
    """Returns how many GPUs of this machine to use: `wanted`, or all where it is None.

    Raises:
        ValueError: More are wanted than there are.
    """
    # Physical ones: to list logical ones starts the runtime, which several workers must not yet.
    num_gpus = len(tf.config.list_physical_devices("GPU"))
    if wanted is not None and not 0 <= wanted <= num_gpus:
        raise ValueError(f"--num_gpus={wanted}: this machine has {num_gpus}.")
    return num_gpus if wanted is None else wanted


def hide_gpus_unless(num_gpus: int) -> None:
    """Hides the GPUs where none is wanted, or TensorFlow and the model would take them.

    Args:
        num_gpus: Of count_gpus.

    Raises:
        RuntimeError: TensorFlow has begun to use its devices.
    """
    if not num_gpus:
        tf.config.set_visible_devices([], "GPU")


def make_strategy(num_gpus: int) -> tf.distribute.Strategy:
    """Chooses the distribution strategy.

    Args:
        num_gpus: How many GPUs of this machine to use (count_gpus); 0 means the CPU.

    Returns:
        MultiWorkerMirroredStrategy where TF_CONFIG names a cluster, MirroredStrategy for two GPUs
        or more, OneDeviceStrategy otherwise.
    """
    hide_gpus_unless(num_gpus)
    if json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster"):
        return tf.distribute.MultiWorkerMirroredStrategy()
    if not num_gpus:
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    gpus = tf.config.list_logical_devices("GPU")
    if num_gpus > 1:
        return tf.distribute.MirroredStrategy([gpu.name for gpu in gpus[:num_gpus]])
    return tf.distribute.OneDeviceStrategy(gpus[0].name)


def set_precision(mixed_precision_dtype: str | None, bfloat16_on_cpu: bool) -> None:
    """Sets the number formats of the computation; weights stay float32 either way.

    Args:
        mixed_precision_dtype: `float32`, or `bfloat16` or `float16` for Keras's mixed precision.
        bfloat16_on_cpu: Let oneDNN use bfloat16 for convolutions and products on the CPU.
    """
    dtype = mixed_precision_dtype or "float32"
    tf_keras.mixed_precision.set_global_policy(dtype if dtype == "float32" else f"mixed_{dtype}")
    os.environ.setdefault(KEPT_IN_FLOAT32, ",".join(_DEPTHWISE_GRADIENTS))
    tf.config.optimizer.set_experimental_options(
        {"auto_mixed_precision_onednn_bfloat16": bfloat16_on_cpu}
    )


def is_chief(distribution: tf.distribute.Strategy) -> bool:
    """Whether this process speaks for all: saves params, prints, judges."""
    return distribution.extended.should_checkpoint


def from_chief(distribution: tf.distribute.Strategy, value: int | None) -> int:
    """Gives every worker the chief's value; the others pass None."""
    if not isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy):
        assert value is not None, "a process alone is the chief"
        return value
    shared = tf.function(
        lambda: distribution.run(
            lambda: tf.distribute.get_replica_context().all_reduce(
                tf.distribute.ReduceOp.SUM, tf.constant(value or 0, tf.int64)
            )
        )
    )()
    first = distribution.experimental_local_results(shared)[0]
    # Each replica of the chief's machine has added the value.
    return int(first.numpy()) // len(distribution.experimental_local_results(shared))
