import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_prep import cli
from data_prep.ordered_pool import WorkerDiedError

REPO_DIR = Path(__file__).resolve().parents[2]
ENTRY_POINTS = (
    "data_prep.browse",
    "data_prep.build_tfrecords",
    "data_prep.download",
    "data_prep.extract_photos",
    "data_prep.sample.draw",
)


@pytest.mark.parametrize("kind", [ValueError, OSError, WorkerDiedError])
def test_bad_input_ends_in_one_line(monkeypatch, kind):
    monkeypatch.delenv("TFSEG_DEBUG", raising=False)

    with pytest.raises(SystemExit) as exit_info, cli.one_line_errors():
        raise kind("photo.jpg: not a photo")

    assert exit_info.value.code == "error: photo.jpg: not a photo"


def test_an_interrupt_ends_in_130(capsys):
    with pytest.raises(SystemExit) as exit_info, cli.one_line_errors():
        raise KeyboardInterrupt

    assert exit_info.value.code == 130
    assert capsys.readouterr().err == "\ninterrupted; run the same command again to start anew\n"


def test_sigterm_counts_as_an_interrupt():
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(SystemExit) as exit_info, cli.one_line_errors():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert exit_info.value.code == 130


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError), cli.one_line_errors():
        raise ZeroDivisionError


def test_debug_keeps_every_traceback(monkeypatch):
    monkeypatch.setenv("TFSEG_DEBUG", "1")

    with pytest.raises(ValueError, match="x"), cli.one_line_errors():
        raise ValueError("x")


@pytest.mark.parametrize(
    "command",
    [
        ("data_prep.build_tfrecords", "--dataset=modanet", "--raw_dir=none", "--data_dir=none"),
        ("data_prep.sample.draw", "--out_dir=none"),
        ("data_prep.extract_photos", "--data_dir=none", "--output_dir=none"),
        ("data_prep.browse", "--data_dir=none"),
        ("data_prep.download", "--dataset=modanet", "--raw_dir=none"),
    ],
)
def test_entry_points_refuse_a_bare_argument_in_one_line(tmp_path, command):
    ended = run("-m", *command, "street", cwd=tmp_path)

    assert ended.returncode == 1
    assert ended.stderr == (
        "error: unexpected argument 'street'; this command takes flags only (--help).\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_entry_points_import_together_and_define_no_flags():
    program = (
        f"import {', '.join(ENTRY_POINTS)}; from absl import flags; "
        "print([name for name in ('dataset', 'data_dir', 'raw_dir', 'out_dir', 'seed') "
        "if name in flags.FLAGS])"
    )

    ended = run("-c", program)

    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def run(*arguments, cwd=REPO_DIR):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PYTHONPATH": str(REPO_DIR), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
