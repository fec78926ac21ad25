"""How many photos a server answers, and how long each waits.

    python -m serving.load_test --server=localhost:8500 --model_name=fashion photo.jpg ...

Works against any server of TensorFlow Serving's interface with a model of tfseg.export. For each
number of clients, every client sends one photo after another for --seconds. Prints photos a second
and the percentiles of the waiting, and what more servers of this kind would hold.
"""

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
from absl import flags

from serving.client.connection import ImageError, ServingError
from serving.client.flags import client_arguments, define_server_flags
from serving.client.photo_sources import find_photos, read_photo
from serving.client.segmentation_client import SegmentationClient
from tfseg.io import command_line
from tfseg.io.atomic_files import write_whole

FLAGS = flags.FLAGS

# Of a server's measured best: what is left is room for the unevenness of real traffic.
_PLANNED_SHARE = 0.7


@dataclasses.dataclass(frozen=True)
class LoadFigures:
    """What one number of clients met.

    Attributes:
        num_clients: Clients at once.
        num_answers: Photos answered.
        failures: The error of each request that failed.
        photos_per_s: Photos answered a second.
        p50_ms, p95_ms, p99_ms: Milliseconds from asking to the answer.
    """

    num_clients: int
    num_answers: int
    failures: tuple[str, ...]
    photos_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


def measure_load(
    detect: Callable[[Sequence[bytes]], list],
    photos: Sequence[bytes],
    num_clients: int,
    seconds: float,
) -> LoadFigures:
    """Lets clients ask for some seconds.

    Args:
        detect: Such as SegmentationClient.detect; called from num_clients threads.
        photos: Encoded photos, sent in turn.
        num_clients: Each sends its next photo when the last is answered.
        seconds: After so long no client asks again.
    """
    waits_s: list[float] = []
    failures: list[str] = []
    start = time.perf_counter()

    def ask(turn: int) -> None:
        while time.perf_counter() - start < seconds:
            asked = time.perf_counter()
            try:
                [answer] = detect([photos[turn % len(photos)]])
                if isinstance(answer, ImageError):
                    raise answer
                waits_s.append(time.perf_counter() - asked)
            except ServingError as error:
                failures.append(f"{type(error).__name__}: {error}")
            turn += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(num_clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed_s = time.perf_counter() - start
    p50, p95, p99 = 1000 * np.percentile(waits_s, [50, 95, 99]) if waits_s else [float("nan")] * 3
    return LoadFigures(
        num_clients, len(waits_s), tuple(failures), len(waits_s) / elapsed_s, p50, p95, p99
    )


def replica_lines(figures: Sequence[LoadFigures]) -> list[str]:
    """What N servers would hold: computed from the best measured, not measured."""
    best = max(figures, key=lambda one: one.photos_per_s)
    lines = [
        f"servers of this kind (computed: {_PLANNED_SHARE:.0%} of {best.photos_per_s:.2f} photos/s "
        "each)",
        f"{'servers':>8} {'photos/s':>9} {'photos/day':>12}",
    ]
    for count in (1, 2, 4, 8, 16):
        planned = _PLANNED_SHARE * best.photos_per_s * count
        lines.append(f"{count:8} {planned:9.2f} {86400 * planned:12,.0f}")
    return lines


def define_flags() -> None:
    """Defines the flags; only the program that runs does."""
    define_server_flags()
    flags.DEFINE_list("clients", ["1", "2", "4", "8"], "Numbers of clients, one run for each.")
    flags.DEFINE_float("seconds", 20.0, "Length of a run.", 0.1)
    command_line.define_path("json_path", None, "Where to write the figures as json.")


def main(argv: list[str]) -> None:
    """Runs the load; exit code 1 where a request failed."""
    if len(argv) < 2:
        sys.exit("error: no photos; give files or folders after the flags.")
    with command_line.one_line_errors(also=(ServingError,)):
        photos = [read_photo(photo) for photo in find_photos(argv[1:])]
        counts = [int(count) for count in FLAGS.clients]
        figures = []
        with SegmentationClient(**client_arguments()) as client:
            client.detect(photos[:1])  # a wrong name shows here, and the channel is open
            print(
                f"{'clients':>8} {'photos/s':>9} {'p50 ms':>8} {'p95 ms':>8} {'p99 ms':>8} failed"
            )
            for count in counts:
                one = measure_load(client.detect, photos, count, FLAGS.seconds)
                figures.append(one)
                print(
                    f"{one.num_clients:8} {one.photos_per_s:9.2f} {one.p50_ms:8.0f} "
                    f"{one.p95_ms:8.0f} {one.p99_ms:8.0f} {len(one.failures):6}",
                    flush=True,
                )
        print("\n".join(replica_lines(figures)))
        if FLAGS.json_path:
            content = json.dumps([dataclasses.asdict(one) for one in figures], indent=1)
            write_whole(FLAGS.json_path, content + "\n", "the figures")
    failures = [failure for one in figures for failure in one.failures]
    if failures:
        sys.exit(f"error: {len(failures)} requests failed, the first with {failures[0]}")


if __name__ == "__main__":
    command_line.run(define_flags, main)
