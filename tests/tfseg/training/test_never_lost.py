"""A training that is stopped, killed, damaged or fed nonsense."""

import errno
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.tfseg import small_experiment
from tests.tfseg.small_experiment import assert_same_weights, finish, start, weights

pytestmark = pytest.mark.slow

# TFSEG_NUM_KILLS=6 TFSEG_KILL_STEPS=28 kills more often: each time after a further checkpoint of
# every fourth step.
NUM_KILLS = int(os.environ.get("TFSEG_NUM_KILLS", "2"))
KILL_STEPS = int(os.environ.get("TFSEG_KILL_STEPS", "16"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return small_experiment.write_prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="module")
def uninterrupted(prepared, tmp_path_factory):
    model_dir = tmp_path_factory.mktemp("uninterrupted")
    finish(start(prepared, model_dir, KILL_STEPS, AS_RECIPES))
    return weights(model_dir, KILL_STEPS)


AS_RECIPES = [
    "trainer.optimizer_config.ema.average_decay=0.9",
    "runtime.mixed_precision_dtype=bfloat16",
]


def test_a_training_killed_at_random_ends_where_an_uninterrupted_one_ends(
    prepared, uninterrupted, tmp_path
):
    moments = random.Random(5)
    model_dir = tmp_path / "model"
    for _ in range(NUM_KILLS):
        before = max(saved(model_dir), default=0)
        if before >= KILL_STEPS:
            break
        training = start(prepared, model_dir, KILL_STEPS, AS_RECIPES)
        # Into the middle of steps and saves: some time after the first new checkpoint.
        deadline = time.monotonic() + 900
        while training.poll() is None and max(saved(model_dir), default=0) <= before:
            if time.monotonic() > deadline:
                training.kill()
                pytest.fail(f"no checkpoint after that of step {before}")
            time.sleep(0.01)
        time.sleep(moments.uniform(0, 0.3))
        training.send_signal(signal.SIGKILL)
        training.communicate()
    printed = finish(start(prepared, model_dir, KILL_STEPS, AS_RECIPES))

    assert "going on from step" in printed or f"already trained for {KILL_STEPS}" in printed
    assert_same_weights(weights(model_dir, KILL_STEPS), uninterrupted)


def test_a_second_training_in_the_same_folder_is_refused(prepared, tmp_path):
    from tfseg.io.folder_lock import only_one
    from tfseg.training import train_loop

    params = small_experiment.build(prepared, "trainer.train_steps=1")
    with (
        only_one(tmp_path / ".train.lock", "a training", "--model_dir"),
        pytest.raises(ValueError, match=f"another training is at work here .process {os.getpid()}"),
    ):
        train_loop.train(params, str(tmp_path))

    assert saved(tmp_path) == []


def saved(model_dir):
    return [int(path.stem[5:]) for path in Path(model_dir).glob("ckpt-*.index")]


def write_checkpoint(model_dir, step, value=0.0):
    import tensorflow as tf

    items = {"global_step": tf.Variable(step, dtype=tf.int64), "w": tf.Variable([value] * 100)}
    tf.train.Checkpoint(**items).write(f"{model_dir}/ckpt-{step}")


@pytest.mark.parametrize("how", ["cut", "flipped", "without data", "no index"])
def test_recover_puts_a_damaged_checkpoint_aside_and_takes_the_one_before(tmp_path, how):
    import tensorflow as tf

    from tfseg.checkpoint import recovery

    for step in (5, 10):
        write_checkpoint(tmp_path, step)
    data = tmp_path / "ckpt-10.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[-9] ^= 1
    if how == "cut":
        data.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        data.write_bytes(content)
    elif how == "without data":
        data.unlink()
    else:
        (tmp_path / "ckpt-10.index").write_bytes(b"nonsense")

    step, notes = recovery.recover(str(tmp_path))

    assert step == 5
    assert len(notes) == 1 and "ckpt-10: a damaged checkpoint, put aside" in notes[0]
    assert tf.train.latest_checkpoint(str(tmp_path)) == str(tmp_path / "ckpt-5")
    assert (tmp_path / "damaged" / "ckpt-10.index").is_file()


def test_recover_removes_what_a_killed_save_left(tmp_path):
    from tfseg.checkpoint import recovery

    write_checkpoint(tmp_path, 5)
    remains = tmp_path / "ckpt-10.data-00000-of-00001.tempstate123"
    remains.write_bytes(b"half")

    assert recovery.recover(str(tmp_path)) == (5, [])
    assert not remains.exists()


def test_recover_says_what_to_do_where_no_checkpoint_is_whole(tmp_path):
    from tfseg.checkpoint import recovery

    (tmp_path / "ckpt-5.index").write_bytes(b"nonsense")

    with pytest.raises(ValueError, match=r"ckpt-5: a damaged.*\n.*no whole checkpoint is left"):
        recovery.recover(str(tmp_path))


def test_recover_of_a_new_folder_starts_at_0(tmp_path):
    from tfseg.checkpoint import recovery

    assert recovery.recover(str(tmp_path / "new")) == (0, [])


def test_keep_best_makes_a_model_dir_of_the_best_checkpoint(tmp_path):
    import tensorflow as tf

    from tfseg.checkpoint import recovery

    (tmp_path / "params.yaml").write_text("a: 1")
    for step in (5, 10):
        write_checkpoint(tmp_path, step)
        path = str(tmp_path / f"ckpt-{step}")
        recovery.keep_best(str(tmp_path), path, f"{step}", tmp_path / "params.yaml")

    best = tmp_path / "best"
    assert tf.train.latest_checkpoint(str(best)) == str(best / "ckpt-10")
    assert recovery.damage(str(best / "ckpt-10")) is None
    assert not list(best.glob("ckpt-5.*"))
    assert (best / "metrics.json").read_text() == "10"
    assert (best / "params.yaml").read_text() == "a: 1"


def test_an_exploding_loss_ends_the_training_with_step_losses_and_images(prepared, tmp_path):
    from tfseg.training import train_loop

    rate = "trainer.optimizer_config.learning_rate.cosine.initial_learning_rate=1e9"
    warmup = "trainer.optimizer_config.warmup.linear.warmup_learning_rate=1e9"
    params = small_experiment.build(prepared, "trainer.train_steps=4", rate, warmup)

    with pytest.raises(ValueError, match=r"step \d: the loss is not finite") as caught:
        train_loop.train(params, str(tmp_path / "model"))

    message = str(caught.value)
    step = int(message.split(":")[0].removeprefix("step "))
    ids = message.split("images of the batch: ")[1].split(". ")[0].split(", ")
    from official.core import task_factory

    batch = list(task_factory.get_task(params.task).train_input().dataset().take(step))[-1][1]
    assert [int(one) for one in ids] == batch["source_id"].numpy().tolist()
    assert "total_loss" in message and "goes on anew" in message
    assert not list((tmp_path / "model").glob("ckpt-*"))


def test_a_damaged_record_ends_the_training_and_names_the_folder(tmp_path):
    from tfseg.training import train_loop

    prepared = small_experiment.write_prepared(tmp_path / "prepared")
    path = Path(prepared.record_paths("train")[1])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(ValueError, match=r"prepared.*(damaged|cannot be read).*--overwrite"):
        train_loop.train(
            small_experiment.build(prepared, "trainer.train_steps=8"), str(tmp_path / "model")
        )


def test_a_damaged_record_of_any_of_several_data_sets_is_looked_for_in_all(prepared):
    import tensorflow as tf

    from tfseg.training import train_loop

    params = small_experiment.build(prepared, "trainer.train_steps=8")
    params = params.replace(task={"train_data": {"input_path": "a/x-0,a/x-1,b/y-0"}})
    error = tf.errors.DataLossError(None, None, "corrupted record at 12")

    message = str(train_loop._explained(error, params, "model"))

    assert message.startswith("the records in a or b are damaged (corrupted record at 12)")


def test_a_save_at_an_interrupt_that_fails_says_why(prepared, tmp_path, monkeypatch):
    import types

    from tfseg.training import train_loop

    def interrupted():
        raise KeyboardInterrupt

    def no_room(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(train_loop, "_save_now", no_room)
    params = small_experiment.build(prepared, "trainer.train_steps=8")
    runner = types.SimpleNamespace(run=interrupted)
    progress = types.SimpleNamespace(close=lambda: None)

    with pytest.raises(ValueError, match="the disk is full .*; make room"):
        train_loop._run(runner, params, str(tmp_path), progress)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)])
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_with_what_to_do(prepared, small_disk):
    from tfseg.training import train_loop

    params = small_experiment.build(prepared, "trainer.train_steps=4")
    with pytest.raises(ValueError, match="need .* GiB more, .* are free; make room"):
        train_loop.train(params, str(small_disk))


def test_damaged_checkpoints_make_no_room_for_new_ones(prepared, tmp_path, monkeypatch):
    from tfseg.training import preflight

    params = small_experiment.build(prepared, "trainer.train_steps=4")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ckpt-4.data").write_bytes(bytes(10_000_000))
    disk = preflight.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: disk._replace(free=1_000_000))

    with pytest.raises(ValueError, match="the checkpoints need .* GiB more"):
        preflight.check_disk(params, str(tmp_path), 200_000)  # 4 copies of 1.6 MB


def test_a_disk_that_fills_up_while_saving_is_recognised(small_disk):
    import tensorflow as tf

    from tfseg.checkpoint import recovery

    with pytest.raises((tf.errors.OpError, OSError)) as caught:
        tf.train.Checkpoint(w=tf.Variable(tf.zeros([2_000_000]))).write(f"{small_disk}/ckpt-1")

    assert recovery.is_full_disk(caught.value)


def test_a_kill_while_the_best_is_replaced_leaves_a_whole_one(tmp_path, monkeypatch):
    from tfseg.checkpoint import recovery

    (tmp_path / "params.yaml").write_text("a: 1")
    for step in (5, 10):
        write_checkpoint(tmp_path, step)
    keep = [str(tmp_path), str(tmp_path / "ckpt-5"), "5", tmp_path / "params.yaml"]
    recovery.keep_best(*keep)
    replace = Path.replace

    def killed(self, target):
        if self.name == "best.new":
            raise SystemExit
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(SystemExit):
        recovery.keep_best(keep[0], str(tmp_path / "ckpt-10"), "10", keep[3])
    monkeypatch.undo()
    recovery.recover(str(tmp_path))

    assert (tmp_path / "best" / "metrics.json").read_text() == "5"
    assert recovery.damage(str(tmp_path / "best" / "ckpt-5")) is None


LINE = '{"step": 5, "mask/AP": 0.5, "mask/AP50": 0.6}'


@pytest.mark.parametrize("broken", ["", LINE[:20], "\0" * 9, LINE[:20] + "\n"])
def test_a_half_written_last_validation_is_left_out(tmp_path, broken):
    from tfseg.evaluation import history

    (tmp_path / "validation.jsonl").write_text(f"{LINE}\n{broken}")

    assert [line["step"] for line in history.read_history(tmp_path)] == [5]


@pytest.fixture
def validator(tmp_path, monkeypatch):
    """Validates step 10 of a training, whose evaluation gives an AP of 0.7."""
    import types

    from tfseg.training import validation

    (tmp_path / "params.yaml").write_text("a: 1")
    write_checkpoint(tmp_path, 10)
    params = types.SimpleNamespace(
        trainer=types.SimpleNamespace(validation_interval=5, train_steps=10)
    )
    monkeypatch.setattr(
        validation,
        "evaluate_model",
        lambda *_, **__: ({"mask/AP": 0.7, "mask/AP50": 0.8}, []),
    )
    monkeypatch.setattr(validation.Validation, "_serving_module", lambda self: None)
    monkeypatch.setattr(validation.Validation, "_summarize", lambda *_: None)
    trainer = types.SimpleNamespace(optimizer=None, strategy=None)
    judge = validation.Validation(params, trainer, None, "val", str(tmp_path))
    return lambda: judge(str(tmp_path / "ckpt-10"), 10), params


def test_the_best_is_kept_before_the_history_tells_of_it(tmp_path, validator, monkeypatch):
    from tfseg.evaluation import history
    from tfseg.training import validation

    validate, params = validator

    def killed(*_):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(validation.recovery, "keep_best", killed)
        with pytest.raises(SystemExit):
            validate()

    assert history.read_history(tmp_path) == []
    assert validation.is_due_at_end(params, str(tmp_path), 10)


def test_a_validation_ends_the_history_whole_and_keeps_the_best(tmp_path, validator):
    from tfseg.evaluation import history
    from tfseg.training import validation

    (tmp_path / "validation.jsonl").write_text(f'{LINE}\n{{"step": 7, "ma')
    validate, params = validator
    validate()

    assert [line["step"] for line in history.read_history(tmp_path)] == [5, 10]
    assert (tmp_path / "best" / "ckpt-10.index").is_file()
    assert not validation.is_due_at_end(params, str(tmp_path), 10)


def test_a_restart_makes_up_for_the_last_validation(prepared, tmp_path, monkeypatch, capsys):
    from tfseg.training import train_loop, validation

    seen = []

    class Recorder(validation.Validation):
        def __call__(self, checkpoint_path, step):
            seen.append((Path(checkpoint_path).name, step))
            line = {"step": step, "mask/AP": 0.5, "mask/AP50": 0.6}
            validation.write_whole(tmp_path / "validation.jsonl", validation.json.dumps(line))

    monkeypatch.setattr(validation, "Validation", Recorder)
    overrides = ("trainer.validation_interval=2", "trainer.validation_split=train")
    params = small_experiment.build(prepared, "trainer.train_steps=2", *overrides)
    train_loop.train(params, str(tmp_path))  # without a set to validate: as killed before that
    for _ in range(2):
        train_loop.train(params, str(tmp_path), prepared)

    assert seen == [("ckpt-2", 2)]
    printed = capsys.readouterr().out
    assert printed.count("now validated") == 1 and printed.count("of 2 steps.\n") == 1
