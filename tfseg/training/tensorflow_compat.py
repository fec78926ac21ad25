"""What we change about TensorFlow's objects beyond its documentation, in the only place that does.

tests/tfseg/training/test_orbit_compat.py sees that it takes effect in the installed release.
"""

import tensorflow as tf


def set_latest_checkpoint(manager: tf.train.CheckpointManager, path: str | None) -> None:
    """Has `manager.restore_or_initialize()` restore a checkpoint from outside of its folder.

    `latest_checkpoint` cannot be set, and restoring by hand leaves the manager without the step
    that its next save is due after: it would save in another loop than the chief's does, and wait
    for ever for values that the others do not send. A checkpoint state file in its folder would
    make it delete what it names. Were the attribute renamed, a worker would start from new weights.
    """
    manager._latest_checkpoint = path
