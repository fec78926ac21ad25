"""A command that is forked is one that is started by python -m."""

import os
import signal
import subprocess
import sys

import pytest

from tests import forked

PROGRAM = """
import atexit, json, os, random, sys
import numpy as np
atexit.register(print, "the end")
if sys.argv[1] == "sleep":
    print("asleep", flush=True)
    import time
    time.sleep(60)
if sys.argv[1] == "numbers":
    print(random.random(), np.random.rand())
    sys.exit(0)
told = [sys.argv, os.getcwd(), sys.path[0], os.environ["TOLD"], sys.stdin.read(), __name__]
print(json.dumps(told), "tensorflow" in sys.modules, file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


def test_it_is_what_python_does(folder):
    env = {**os.environ, "TOLD": "this"}
    command = [sys.executable, "-m", "program", "3", "b c"]
    expected = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )

    ended = forked.run("program", 3, "b c", cwd=folder, env=env)

    assert (ended.args, ended.returncode) == (command, expected.returncode)
    assert ended.stdout == expected.stdout == "the end\n"
    assert ended.stderr == expected.stderr.replace("False", "True")  # TensorFlow is imported


def test_streams_can_be_one(folder):
    ended = forked.run("program", 0, cwd=folder, env={**os.environ, "TOLD": ""}, merged=True)

    assert "program" in ended.stdout and ended.stdout.endswith("the end\n")
    assert ended.stderr is None


def test_signals_reach_it_and_are_told(folder):
    process = forked.Process("program", "sleep", cwd=folder)
    assert process.stdout.readline() == "asleep\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.communicate(timeout=0.1)

    process.kill()

    assert process.wait(timeout=30) == -signal.SIGKILL


def test_ctrl_c_is_an_interrupt(folder):
    process = forked.Process("program", "sleep", cwd=folder)
    process.stdout.readline()
    process.send_signal(signal.SIGINT)

    out, err = process.communicate(timeout=30)

    assert (out, process.returncode) == ("the end\n", -signal.SIGINT)
    assert err.endswith("KeyboardInterrupt\n")


def test_two_draw_other_numbers(folder):
    one, other = (forked.run("program", "numbers", cwd=folder).stdout.split() for _ in "12")

    assert one[0] != other[0] and one[1] != other[1]
