"""What we change about TensorFlow's objects beyond its documentation, in the only place that does.

tests/tfseg/training/test_orbit_compat.py sees that each takes effect in the installed release.
"""

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla
from tensorflow.python.ops import control_flow_util


def set_latest_checkpoint(manager: tf.train.CheckpointManager, path: str | None) -> None:
    """Has `manager.restore_or_initialize()` restore a checkpoint from outside of its folder.

    `latest_checkpoint` cannot be set, and restoring by hand leaves the manager without the step
    that its next save is due after: it would save in another loop than the chief's does, and wait
    for ever for values that the others do not send. A checkpoint state file in its folder would
    make it delete what it names. Were the attribute renamed, a worker would start from new weights.
    """
    manager._latest_checkpoint = path


def after(value: tf.Tensor, done: list[tf.Tensor]) -> tf.Tensor:
    """The same value, there only when `done` is; in a graph, compiled by XLA or not.

    XLA knows no control dependencies, and would compute alike what two parts of a graph ask of the
    same value once, and keep it. TensorFlow exports neither XLA's barrier against both nor a way
    to ask whether a graph is traced for XLA. Were either renamed, the import or this would raise.
    """
    if done and control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        return xla.optimization_barrier(value, *done)[0]
    with tf.control_dependencies(done):
        return tf.identity(value)
