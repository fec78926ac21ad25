import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_prep.prepared import open_prepared
from tests import forked
from tests.data_prep.raw_modanet import many_photos

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[2]


def command(raw_dir, data_dir, *flags):
    return (
        *("data_prep.build_tfrecords", "--dataset=modanet"),
        *(f"--raw_dir={raw_dir}", f"--data_dir={data_dir}", *flags),
    )


def run(raw_dir, data_dir, *flags):
    return forked.run(*command(raw_dir, data_dir, *flags), timeout=90)


def test_build_tfrecords_prints_a_table_and_little_else(tmp_path):
    raw_dir = many_photos(20).write(tmp_path / "raw")
    first = run(raw_dir, tmp_path / "prepared", "--num_workers=2")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [
        "train json",
        "  photos in raw files                               20",
        "    kept                                            20",
        "  annotations in raw files                          20",
        "    kept                                            20",
        "splits",
        "  train photos                                      15   instances 15",
        "  val photos                                         5   instances 5",
        f"prepared data set: {tmp_path}/prepared/modanet/1.0.0",
    ]
    assert "20/20" in first.stderr
    assert all(line.startswith("preparing:") for line in first.stderr.split("\n") if line)

    second = run(raw_dir, tmp_path / "prepared")
    assert second.returncode == 0
    assert "is already complete" in second.stdout

    other = run(raw_dir, tmp_path / "prepared", "--val_percent=30")
    assert other.returncode == 1
    assert other.stderr.startswith("error: ")
    assert len(other.stderr.splitlines()) == 1
    assert "--val_percent was 15.0, is 30.0" in other.stderr


def test_build_tfrecords_ends_with_one_line_on_bad_input(tmp_path):
    raw_dir = many_photos(3).write(tmp_path / "raw")
    path = raw_dir / "modanet/annotations/modanet2018_instances_train.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 34\n")
    result = run(raw_dir, tmp_path / "prepared")
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"error: {path}: a Git LFS pointer, not the json itself; run `git lfs pull` in its clone.\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_build_leaves_nothing_that_looks_complete(tmp_path):
    raw_dir = many_photos(1500, size=(400, 300)).write(tmp_path / "raw")
    data_dir = tmp_path / "prepared"
    build = forked.Process(*command(raw_dir, data_dir, "--num_workers=2"))
    try:
        _wait_until(lambda: any(data_dir.glob("modanet/incomplete.*/instances_train.json")), build)
        workers = Path(f"/proc/{build.pid}/task/{build.pid}/children").read_text().split()
        assert workers
    finally:
        build.kill()
        build.wait()
    assert build.returncode == -signal.SIGKILL

    with pytest.raises(ValueError, match="is incomplete: its build has not ended or was killed"):
        open_prepared(data_dir)
    _wait_until(lambda: not any(_is_running(int(pid)) for pid in workers))

    again = run(raw_dir, data_dir, "--num_workers=2")
    assert again.returncode == 0, again.stderr
    assert "removing what an interrupted build left" in again.stdout
    assert "going on with an interrupted build" in again.stdout
    prepared = open_prepared(data_dir)
    assert prepared.num_examples("train") + prepared.num_examples("val") == 1500
    assert not list(data_dir.glob("modanet/incomplete.*"))
    assert not list(data_dir.glob(".*.journal"))


def test_a_build_killed_again_and_again_ends_as_an_uninterrupted_one(tmp_path):
    # Some 10 MB of journal, written 1 MB at a time: every kill finds it grown and far from its end.
    raw_dir = many_photos(1600, size=(400, 300)).write(tmp_path / "raw")
    assert run(raw_dir, tmp_path / "whole", "--num_workers=2").returncode == 0
    data_dir = tmp_path / "prepared"
    data_dir.mkdir()
    sizes = [0]
    for _ in range(3):
        build = forked.Process(*command(raw_dir, data_dir, "--num_workers=2"))
        last_size = sizes[-1]
        _wait_until(lambda last=last_size: _journal_size(data_dir) > last, build)
        build.kill()
        build.wait()
        sizes.append(_journal_size(data_dir))
    assert sizes[1] > 0
    assert run(raw_dir, data_dir, "--num_workers=2").returncode == 0
    version = "modanet/1.0.0"
    names = sorted(path.name for path in (tmp_path / "whole" / version).iterdir())
    assert names == sorted(path.name for path in (data_dir / version).iterdir())
    for name in names:
        if name != "dataset_info.json":  # has the folder's path in it
            whole = (tmp_path / "whole" / version / name).read_bytes()
            assert (data_dir / version / name).read_bytes() == whole, name


def _journal_size(data_dir) -> int:
    return sum(path.stat().st_size for path in data_dir.glob(".*.journal"))


def test_a_full_disk_is_told_in_one_line(tmp_path):
    raw_dir = many_photos(60, size=(400, 300)).write(tmp_path / "raw")
    ended = subprocess.run(
        [sys.executable, "-m", *command(raw_dir, tmp_path / "prepared", "--num_workers=2")],
        cwd=REPO_DIR,
        capture_output=True,
        text=True,
        timeout=90,
        # Stands for a full disk: no file may grow beyond 100 KB.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last_line = ended.stderr.splitlines()[-1]
    assert "the journal of a build cannot be written (" in last_line
    assert "; see that the disk has space and run the same command again" in last_line
    with pytest.raises(ValueError):
        open_prepared(tmp_path / "prepared")


def _wait_until(condition, process=None, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, "the build ended too soon"
        time.sleep(0.01)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
    return status.rsplit(")", 1)[1].split()[0] != "Z"
