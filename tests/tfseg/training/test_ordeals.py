"""A training whose disk, folder, clock, shards and operator are against it."""

import contextlib
import resource
import signal
import subprocess
import time
import types
from pathlib import Path

import pytest

from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A set in whose first photo a garment's box is no number."""
    import tensorflow as tf

    prepared = small_experiment.write_prepared(tmp_path_factory.mktemp("prepared"))
    shard = prepared.record_paths("train")[0]
    records = [record.numpy() for record in tf.data.TFRecordDataset(shard)]
    first = tf.train.Example.FromString(records[0])
    first.features.feature["image/object/bbox/ymax"].float_list.value[0] = float("nan")
    with tf.io.TFRecordWriter(shard) as writer:
        for record in (first.SerializeToString(), *records[1:]):
            writer.write(record)
    return prepared


@contextlib.contextmanager
def files_of_at_most(num_bytes):
    """What a full disk does to a save: its writing fails; here by a limit that can be lifted."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_nan_box_a_clock_set_back_and_a_disk_that_is_full_at_the_second_save(
    prepared, tmp_path, monkeypatch
):
    from tfseg.checkpoint import recovery
    from tfseg.training import orbit_compat, train_loop

    model_dir = tmp_path / "model"
    clock, shift, saves = time.time, [0.0], []
    monkeypatch.setattr(time, "time", lambda: clock() + shift[0])
    with contextlib.ExitStack() as full_disk:

        def after_save(path):
            saves.append(Path(path).name)
            shift[0] = -3600.0
            full_disk.enter_context(files_of_at_most(500_000))

        monkeypatch.setattr(orbit_compat.SavingController, "after_save", staticmethod(after_save))
        steps = ("trainer.train_steps=4", "trainer.checkpoint_interval=2")
        params = small_experiment.build(prepared, *steps)

        with pytest.raises(ValueError, match="the disk is full .*make room.* goes on from step 2"):
            train_loop.train(params, str(model_dir))

    assert saves == ["ckpt-2"]
    assert recovery.recover(str(model_dir)) == (2, [])
    assert recovery.damage(str(model_dir / "ckpt-2")) is None


@pytest.fixture
def read_only_disk(tmp_path):
    """Mounts a folder read-only once it holds what a function wrote there."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(*options):
        return subprocess.run(["mount", *options, str(folder)]).returncode

    if mount("-t", "tmpfs", "-o", "size=9m", "tmpfs"):
        pytest.skip("mounting a file system needs root")

    def made_of(write):
        write(folder)
        assert mount("-o", "remount,ro") == 0
        return folder

    yield made_of
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("is_new", [True, False])
def test_a_read_only_model_dir_is_named_before_anything_slow(prepared, read_only_disk, is_new):
    from tfseg.training import train_loop

    params = small_experiment.build(prepared, "trainer.train_steps=4")
    disk = read_only_disk(lambda folder: None if is_new else write_checkpoint(folder / "model", 2))

    with pytest.raises(OSError, match=r"model/.* cannot be written .*not read-only"):
        train_loop.train(params, str(disk / "model"))


def write_checkpoint(model_dir, step):
    import tensorflow as tf

    model_dir.mkdir()
    items = {"global_step": tf.Variable(step, dtype=tf.int64), "w": tf.Variable([0.5] * 100)}
    tf.train.Checkpoint(**items).write(f"{model_dir}/ckpt-{step}")


def scene(model_dir, run, step=6):
    """What train_loop._run takes, of a model of one weight."""
    import tensorflow as tf

    global_step = tf.Variable(step, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(global_step=global_step, w=tf.Variable([0.5]))
    runner = types.SimpleNamespace(
        run=run,
        trainer=types.SimpleNamespace(checkpoint=checkpoint, global_step=global_step),
        checkpoint_manager=types.SimpleNamespace(directory=str(model_dir)),
    )
    progress = types.SimpleNamespace(close=lambda: None, global_step=global_step)
    return runner, progress


@pytest.mark.parametrize("error", ["PermissionDeniedError", "NotFoundError"])
def test_a_disk_that_becomes_read_only_or_goes_away_is_told_in_one_line(prepared, tmp_path, error):
    import tensorflow as tf

    from tfseg.training import train_loop

    def run():
        text = f"{tmp_path}/ckpt-8.data-00000-of-00001; Read-only file system [Op:SaveV2]"
        raise getattr(tf.errors, error)(None, None, text)

    (tmp_path / "ckpt-4.index").touch()
    params = small_experiment.build(prepared, "trainer.train_steps=8")
    runner, progress = scene(tmp_path, run)

    with pytest.raises(ValueError, match=r"Read-only file system.* goes on from step 4\."):
        train_loop._run(runner, params, str(tmp_path), progress)


@pytest.fixture
def _signals():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_signals")
def test_a_second_sigterm_does_not_break_the_save_of_the_first(
    prepared, tmp_path, monkeypatch, capsys
):
    from tfseg.checkpoint import recovery
    from tfseg.io import command_line
    from tfseg.training import train_loop

    save_now = train_loop._save_now

    def stopped_again(*arguments):
        signal.raise_signal(signal.SIGTERM)
        save_now(*arguments)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(train_loop, "_save_now", stopped_again)
    params = small_experiment.build(prepared, "trainer.train_steps=8")
    runner, progress = scene(tmp_path, lambda: signal.raise_signal(signal.SIGTERM))

    with pytest.raises(SystemExit) as ended, command_line.one_line_errors(again=None):
        train_loop._run(runner, params, str(tmp_path), progress)

    assert ended.value.code == 130
    assert "interrupted, saved at step 6" in capsys.readouterr().err
    assert recovery.recover(str(tmp_path)) == (6, [])
