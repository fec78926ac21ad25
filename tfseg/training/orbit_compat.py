"""What we change about Orbit's loop beyond its documentation, in the only place that does so.

tests/tfseg/training/test_orbit_compat.py sees each change take effect in the installed release.
"""

from collections.abc import Callable

import orbit
from absl import logging


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


def leave_out_printed_lines() -> None:
    """Has controllers only log what they also print: a line for each loop, beside our progress bar.

    There is no option for it. Were the function renamed, the lines would come through the bar.
    """
    orbit.controller._log = logging.info
