import subprocess
import sys
from pathlib import Path

import pytest

REPO_DIR = Path(__file__).resolve().parents[2]
ENTRY_POINTS = (
    "data_prep.browse",
    "data_prep.build_tfrecords",
    "data_prep.download",
    "data_prep.extract_photos",
    "data_prep.sample.draw",
)


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
