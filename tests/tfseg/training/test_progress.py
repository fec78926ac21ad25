import io
import re
import time

import numpy as np
import pytest

from tfseg.training.progress import ProgressAction

LOSSES = {
    "total_loss": 1.5,
    "rpn_score_loss": 0.25,
    "rpn_box_loss": 0.125,
    "frcnn_cls_loss": 0.5,
    "frcnn_box_loss": 0.375,
    "mask_loss": 0.25,
}


class Step:
    def __init__(self, value):
        self.value = value

    def numpy(self):
        return np.int64(self.value)


def test_progress_shows_step_losses_rate_and_time_left():
    screen = io.StringIO()
    progress = ProgressAction(train_steps=40, global_batch_size=4, file=screen)
    progress.global_step = Step(10)
    progress(LOSSES)
    progress.global_step = Step(20)
    progress(LOSSES)
    progress.close()

    last = screen.getvalue().split("\r")[-1]
    assert "20/40" in last
    assert "images/s" in last
    assert "loss=1.500 rpn_score=0.250 rpn_box=0.125 class=0.500 box=0.375 mask=0.250" in last


def test_progress_shows_epoch_learning_rate_and_the_last_validation():
    screen = io.StringIO()
    progress = ProgressAction(train_steps=40, global_batch_size=4, num_examples=16, file=screen)
    progress.note = "val at 5: mask/AP 12.3"
    progress.global_step = Step(10)
    progress({**LOSSES, "learning_rate": 0.0125})
    progress.close()

    last = screen.getvalue().split("\r")[-1]
    assert "epoch 2.5, lr 0.013, loss=1.500" in last
    assert "val at 5: mask/AP 12.3" in last


@pytest.mark.parametrize("moved_s", [-90_000.0, 90_000.0])
def test_progress_keeps_its_times_where_the_clock_is_set(monkeypatch, moved_s):
    shift = [0.0]
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + shift[0])
    monkeypatch.setattr("tqdm.std.time", time.time)
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True)  # drawn every half second
    progress = ProgressAction(train_steps=40, global_batch_size=4, file=screen)
    progress.global_step = Step(10)
    progress(LOSSES)
    shift[0] = moved_s
    time.sleep(0.6)
    progress.global_step = Step(20)
    progress(LOSSES)

    last = screen.getvalue().split("\r")[-1]
    assert re.search(r"20/40 \[00:0\d<00:0\d, ", last), last


def test_progress_of_a_worker_that_is_not_chief_draws_nothing():
    progress = ProgressAction(train_steps=40, global_batch_size=4, file=None)
    progress.global_step = Step(10)
    progress(LOSSES)
    progress.close()
