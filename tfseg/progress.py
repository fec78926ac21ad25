"""The progress bar of a training: step, losses, images per second, time left."""

import math
import sys
import time

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
    """An Orbit train action that draws a progress bar and stops at a loss that is not finite."""

    def __init__(self, train_steps: int, global_batch_size: int, file=sys.stderr):
        """Prepares the bar; it appears with the first losses.

        Args:
            train_steps: Number of steps the training ends at.
            global_batch_size: Images a step.
            file: Where the bar is drawn.
        """
        self.global_step = None  # the trainer's step variable, set once the trainer exists
        self._global_batch_size = global_batch_size
        self._train_steps = train_steps
        self._bar = None
        self._file = file
        self._last_time = None

    def __call__(self, output) -> None:
        """Draws the losses of one training loop (a dict of scalars from the trainer)."""
        step = int(self.global_step.numpy())
        losses = {short: float(output[name]) for name, short in _SHOWN_LOSSES.items()}
        bad = [name for name, value in losses.items() if not math.isfinite(value)]
        if bad:
            raise ValueError(
                f"step {step}: the {bad[0]} loss is not finite; lower the learning rate or "
                "lengthen the warm-up in the config, then start from the last checkpoint."
            )
        now = time.monotonic()
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
            rate = ""
        else:
            num_steps = step - self._bar.n
            images_per_s = num_steps * self._global_batch_size / (now - self._last_time)
            rate = f"{images_per_s:.1f} images/s, "
            self._bar.update(num_steps)
        shown = " ".join(f"{name}={value:.3f}" for name, value in losses.items())
        self._bar.set_postfix_str(rate + shown, refresh=False)
        self._last_time = now

    def close(self) -> None:
        """Leaves the bar's last state on the screen."""
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
