"""What a server must live through; the tests run it for seconds, this command for half an hour.

python -m tests.serving.never_down --export_dir=EXPORT/fashion --photos_dir=PHOTOS --minutes=30

Starts a server of its own on the newest version, sends 2,000 malformed requests, asks beside rude
clients (no deadline, cancelled, bombs, idle), lets four clients ask for --minutes, swaps the
version every 20 seconds for --swap_minutes, and kills the server.
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import grpc
import numpy as np
from absl import app, flags

from serving.client import SegmentationClient
from serving.load_test import LoadFigures, measure_load
from tests.serving.malformed_requests import make_malformed, send
from tests.serving.rude_clients import RUDE, wait_of_others
from tests.serving.server_process import start_server
from tfseg.io.version_folders import numbered_versions

FLAGS = flags.FLAGS


class Server:
    """A server process that can be killed and started again at its port."""

    def __init__(self, base_path: Path, *arguments: str):
        self._arguments = (f"--model_base_path={base_path}", *arguments)
        self._port = self.rest_port = 0
        self.start()

    def start(self) -> None:
        """Starts it and waits until it serves."""
        self.process = start_server(
            *self._arguments,
            f"--port={self._port}",
            f"--rest_api_port={self.rest_port}",
            "--file_system_poll_wait_seconds=0.5",
        )
        line = self.process.stdout.readline()
        if line.startswith("REST at "):
            self.rest_port = int(line.rpartition(":")[2].strip(" /\n"))
            line = self.process.stdout.readline()
        if not line.startswith("serving fashion"):
            raise RuntimeError(f"{line} {self.process.stderr.read()}")
        self.address = line.split()[-1]
        self._port = int(self.address.rpartition(":")[2])
        # Unread, its lines would fill the pipe and stop it.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def memory_mb(self) -> float:
        """Resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        [line] = [line for line in status.splitlines() if line.startswith("VmRSS")]
        return int(line.split()[1]) / 1024

    def kill(self) -> None:
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """Asks it to end; kills it where it does not."""
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            self.process.kill()


def send_malformed(
    server: Server, photo: bytes, count: int, with_huge: bool, unguarded: bool = False
) -> Counter:
    """Sends malformed requests, a good one after every 20th.

    Args:
        server: The server.
        photo: A good photo.
        count: How many to send.
        with_huge: Also messages of 100 MB.
        unguarded: The model is no tfseg export: a photo it cannot decode fails the request, and a
            bomb would go off.

    Returns:
        How many of each (kind, code).

    Raises:
        AssertionError: A wrong code, or a good request that failed.
    """
    seen = Counter()
    unlimited = [("grpc.max_send_message_length", -1)]
    with (
        grpc.insecure_channel(server.address, options=unlimited) as channel,
        SegmentationClient(server.address, "fashion", connect_timeout_s=0) as client,
    ):
        for number, bad in enumerate(make_malformed(count, 1, photo, with_huge, not unguarded)):
            code = send(channel, bad.payload)
            proper = (*bad.codes, "INVALID_ARGUMENT") if unguarded else bad.codes
            assert code in proper, f"{bad.kind}: got {code}, expected {proper}"
            seen[bad.kind, code] += 1
            if number % 20 == 19:
                [answer] = client.detect([photo])
                assert len(answer.image_size_hw) == 2
    return seen


def soak(server: Server, photos: list[bytes], num_clients: int, seconds: float):
    """Lets clients ask for some time.

    Returns:
        The figures, and the server's memory in MB every second.
    """
    memory_mb = [server.memory_mb()]
    over = threading.Event()

    def watch():
        while not over.wait(1):
            memory_mb.append(server.memory_mb())

    watching = threading.Thread(target=watch)
    watching.start()
    with SegmentationClient(server.address, "fashion", connect_timeout_s=0) as client:
        figures = measure_load(client.detect, photos, num_clients, seconds)
    over.set()
    watching.join()
    return figures, memory_mb


def swap_under_load(
    server: Server, base_path: Path, photos: list[bytes], num_swaps: int, pause_s: float
) -> tuple[LoadFigures, list[float]]:
    """Adds a version again and again while clients ask; memory after each swap."""
    versions = sorted(int(path.name) for path in base_path.iterdir() if path.name.isdigit())
    memory_mb, result = [], []
    over = threading.Event()

    def ask():
        with SegmentationClient(server.address, "fashion", connect_timeout_s=0) as client:
            while not over.is_set():
                result.append(measure_load(client.detect, photos, 2, 1))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        with SegmentationClient(server.address, "fashion") as client:
            for number in range(versions[-1] + 1, versions[-1] + 1 + num_swaps):
                next_round = time.monotonic() + pause_s
                shutil.copytree(base_path / str(number - 1), base_path / "coming")
                (base_path / "coming").rename(base_path / str(number))
                end = time.monotonic() + 300
                while client.available_versions() != [number]:
                    assert time.monotonic() < end, f"version {number} does not come"
                    time.sleep(0.1)
                shutil.rmtree(base_path / str(number - 1))
                memory_mb.append(server.memory_mb())
                time.sleep(max(next_round - time.monotonic(), 0))
    finally:
        over.set()
        asking.join()
    failures = tuple(failure for one in result for failure in one.failures)
    num_answers = sum(one.num_answers for one in result)
    nan = float("nan")
    return LoadFigures(2, num_answers, failures, nan, nan, nan, nan), memory_mb


def kill_and_restart(server: Server, photos: list[bytes], patience_s: float) -> LoadFigures:
    """Kills the server under load and starts it again; the clients' retries have to hide it."""
    figures = []
    with SegmentationClient(
        server.address, "fashion", deadline_s=patience_s, connect_timeout_s=patience_s
    ) as client:

        def ask():
            figures.append(measure_load(client.detect, photos, 2, 4))

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(1)
        server.kill()
        server.start()
        asking.join()
    return figures[0]


def growth_percent(memory_mb: list[float]) -> float:
    """From the second tenth to the last tenth: the first requests fill TensorFlow's pools."""
    tenth = max(len(memory_mb) // 10, 1)
    early, late = memory_mb[tenth : 2 * tenth] or memory_mb[:1], memory_mb[-tenth:]
    return 100 * (float(np.median(late)) / float(np.median(early)) - 1)


def say(line: str) -> None:
    """Prints at once: the whole takes long."""
    print(line, flush=True)


def _outcome(figures: LoadFigures) -> str:
    first = f", the first: {figures.failures[0]}" if figures.failures else ""
    return f"{figures.num_answers} answered, {len(figures.failures)} failed{first}"


def main(_) -> None:
    """Runs everything, printing figures; exit code 1 where the server failed."""
    photos = [p.read_bytes() for p in sorted(Path(FLAGS.photos_dir).glob("*.jpg"))[:32]]
    versions = numbered_versions(Path(FLAGS.export_dir))
    newest = versions[max(versions)]
    ok = True
    with tempfile.TemporaryDirectory() as folder:
        base_path = Path(folder)
        shutil.copytree(newest, base_path / "1")
        server = Server(base_path)
        try:
            soak(server, photos, 4, 10)
            before = server.memory_mb()
            seen = send_malformed(server, photos[0], FLAGS.num_malformed, with_huge=True)
            for (kind, code), count in sorted(seen.items()):
                print(f"  {kind:18} {code:20} {count}")
            after = server.memory_mb()
            say(f"malformed: {seen.total()} sent, memory {before:.0f} -> {after:.0f} MB")
            for how in RUDE:
                waited = wait_of_others(server.address, server.rest_port, photos[0], how)
                say(f"beside {how}: answered in {waited:.2f} s, memory {server.memory_mb():.0f} MB")
                ok &= waited < 10
            figures, memory_mb = soak(server, photos, 4, 60 * FLAGS.minutes)
            growth = growth_percent(memory_mb)
            say(f"soak: {FLAGS.minutes:g} minutes, {_outcome(figures)}")
            say(f"  {figures.photos_per_s:.2f} photos/s, p99 {figures.p99_ms:.0f} ms")
            say(f"  memory {growth:+.1f} %, {memory_mb[0]:.0f} -> {memory_mb[-1]:.0f} MB")
            ok &= not figures.failures and growth < 3
            num_swaps = int(60 * FLAGS.swap_minutes / FLAGS.swap_every_s)
            swapped, memory_mb = swap_under_load(
                server, base_path, photos, num_swaps, FLAGS.swap_every_s
            )
            say(f"swaps: {num_swaps}, {_outcome(swapped)}")
            say(f"  memory after each: {[round(mb) for mb in memory_mb]} MB")
            killed = kill_and_restart(server, photos, 120)
            say(f"kill -9 and restart: {_outcome(killed)}")
            ok &= not swapped.failures and not killed.failures
        finally:
            server.stop()
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    flags.DEFINE_string("export_dir", None, "Folder of the numbered versions.", required=True)
    flags.DEFINE_string("photos_dir", None, "Folder of JPEGs.", required=True)
    flags.DEFINE_float("minutes", 30.0, "Length of the soak.")
    flags.DEFINE_integer("num_malformed", 2000, "Malformed requests.")
    flags.DEFINE_float("swap_minutes", 3.0, "Length of the swapping.")
    flags.DEFINE_float("swap_every_s", 20.0, "Seconds between swaps.")
    app.run(main)
