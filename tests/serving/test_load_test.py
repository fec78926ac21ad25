import json
import subprocess
import sys
import time

from serving.client.connection import ServerBusyError
from serving.load_test import LoadFigures, measure_load, replica_lines
from tests.serving.server_process import REPOSITORY


def test_measure_load_counts_answers_failures_and_waits():
    asked = []

    def detect(images):
        asked.append(images)
        if len(asked) == 3:
            raise ServerBusyError("busy")
        time.sleep(0.02)
        return ["an answer"]

    figures = measure_load(detect, [b"a", b"b"], num_clients=1, seconds=0.2)

    assert asked[:3] == [[b"a"], [b"b"], [b"a"]]
    assert figures.failures == ("ServerBusyError: busy",)
    assert figures.num_answers == len(asked) - 1
    assert 20 <= figures.p50_ms <= figures.p95_ms <= figures.p99_ms


def test_replica_lines_plan_with_a_share_of_the_best():
    nan = float("nan")
    figures = [LoadFigures(n, 1, (), rate, nan, nan, nan) for n, rate in ((1, 4.0), (2, 10.0))]

    lines = replica_lines(figures)

    assert lines[0] == "servers of this kind (computed: 70% of 10.00 photos/s each)"
    assert lines[2].split() == ["1", "7.00", "604,800"]
    assert lines[4].split() == ["4", "28.00", "2,419,200"]


def test_command_line(server_address, png_of_blocks, tmp_path):
    (tmp_path / "a.png").write_bytes(png_of_blocks(20, 30, red=(2, 2, 9, 9)))

    run = subprocess.run(
        [sys.executable, "-m", "serving.load_test", f"--server={server_address}", "--clients=1,3"]
        + ["--seconds=0.5", f"--json_path={tmp_path}/figures.json", str(tmp_path / "a.png")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert "photos/s" in run.stdout
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [one["num_clients"] for one in figures] == [1, 3]
    assert all(one["num_answers"] > 0 and one["failures"] == [] for one in figures)
