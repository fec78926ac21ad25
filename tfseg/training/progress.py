"""The progress bar of a training: step, epoch, losses, learning rate, images per second, ETA."""

import sys
import time

import tensorflow as tf
import tqdm

# Model Garden's metric name -> the short name on the bar.
_SHOWN_LOSSES = {
    "total_loss": "loss",
    "rpn_score_loss": "rpn_score",
    "rpn_box_loss": "rpn_box",
    "frcnn_cls_loss": "class",
    "frcnn_box_loss": "box",
    "mask_loss": "mask",
}


class ProgressAction:
    """An Orbit train action that draws a progress bar.

    Attributes:
        global_step: The trainer's step variable, set once the trainer exists.
        note: Text that ends the line, as the last validation's figure.
    """

    def __init__(
        self, train_steps: int, global_batch_size: int, num_examples: int = 0, file=sys.stderr
    ):
        """Prepares the bar; it appears with the first losses.

        Args:
            train_steps: Number of steps the training ends at.
            global_batch_size: Images a step.
            num_examples: Images an epoch; 0 leaves the epoch out.
            file: Where the bar is drawn; None for nowhere.
        """
        self.global_step: tf.Variable | None = None
        self.note = ""
        self._global_batch_size = global_batch_size
        self._num_examples = num_examples
        self._train_steps = train_steps
        self._bar: tqdm.tqdm | None = None
        self._file = file
        self._last_time = 0.0  # of the last loop; not used before there is a bar
        self._wall_clock_offset = 0.0  # of the wall clock against the monotonic one, seconds

    def __call__(self, output) -> None:
        """Draws the losses of one training loop (a dict of scalars from the trainer)."""
        if self._file is None:
            return
        assert self.global_step is not None, "set before the first loop"
        step = int(self.global_step.numpy())
        now = time.monotonic()
        self._follow_wall_clock(now)
        parts = []
        if self._bar is None:
            # The first loop is mostly graph building; the rate and the ETA start after it.
            self._bar = tqdm.tqdm(
                total=self._train_steps,
                initial=step,
                unit="step",
                file=self._file,
                dynamic_ncols=True,
                mininterval=0.5 if self._file.isatty() else 10.0,
                smoothing=0.1,
            )
        else:
            num_steps = step - self._bar.n
            images_per_s = num_steps * self._global_batch_size / (now - self._last_time)
            parts.append(f"{images_per_s:.1f} images/s")
            self._bar.update(num_steps)
        if self._num_examples:
            parts.append(f"epoch {step * self._global_batch_size / self._num_examples:.1f}")
        if "learning_rate" in output:
            parts.append(f"lr {float(output['learning_rate']):.2g}")
        parts.append(" ".join(f"{s}={float(output[n]):.3f}" for n, s in _SHOWN_LOSSES.items()))
        if self.note:
            parts.append(self.note)
        self._bar.set_postfix_str(", ".join(parts), refresh=False)
        self._last_time = now

    def _follow_wall_clock(self, now: float) -> None:
        """Moves the bar's marks along where someone has set the clock, which tqdm times by."""
        offset = time.time() - now
        moved = offset - self._wall_clock_offset
        self._wall_clock_offset = offset
        if self._bar is not None and abs(moved) > 1:
            self._bar.start_t += moved
            self._bar.last_print_t += moved

    def close(self) -> None:
        """Leaves the bar's last state on the screen."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
