"""What we change about Orbit's loop, and Model Garden's runner of it, in the only place that does.

tests/tfseg/training/test_orbit_compat.py sees each change take effect in the installed release.
"""

import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import orbit
import tensorflow as tf
from absl import logging
from official.core import train_lib

from tfseg.training import tensorflow_compat


class SavingController(orbit.Controller):
    """Hands every new checkpoint to `after_save(path)`.

    Actions are run after each loop and before its checkpoint; Orbit has none after a save. A
    subclass of CheckpointManager could tell, but Model Garden's runner makes the manager and takes
    none. Were this method renamed, a training would never be validated and keep no best checkpoint.
    """

    after_save: Callable[[str], None] | None = None

    def _maybe_save_checkpoint(self, check_interval: bool = True):
        saved = super()._maybe_save_checkpoint(check_interval)
        if saved and self.after_save:
            self.after_save(self.checkpoint_manager.latest_checkpoint)
        return saved


class SameStartRunner(train_lib.OrbitExperimentRunner):
    """Lets every worker start from the chief's checkpoint.

    Workers but the chief save into folders of their own, which a new start finds empty or stale:
    they would begin elsewhere than the chief, and their collective operations not match its own.
    The runner makes its manager itself and takes none. Were this method renamed, a training on
    several machines would not go on from its checkpoint, but end with collectives that differ.
    Such a folder is a temporary one, which the runner leaves behind; it goes with the runner.
    """

    def _maybe_build_checkpoint_manager(self):
        manager = super()._maybe_build_checkpoint_manager()
        if manager:
            latest = tf.train.latest_checkpoint(self.model_dir)
            tensorflow_compat.set_latest_checkpoint(manager, latest)
            is_workers = not self.strategy.extended.should_checkpoint
            if is_workers and Path(manager.directory) != Path(self.model_dir):
                weakref.finalize(self, shutil.rmtree, manager.directory, ignore_errors=True)
        return manager


def leave_out_printed_lines() -> None:
    """Has controllers only log what they also print: a line for each loop, beside our progress bar.

    There is no option for it. Were the function renamed, the lines would come through the bar.
    """
    orbit.controller._log = logging.info
