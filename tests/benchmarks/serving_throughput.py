"""Photos a second through the embedded server against the same graph called directly, in turns.

python -m tests.benchmarks.serving_throughput --export_dir=EXPORT/fashion --photos_dir=PHOTOS

A direct caller and the server are processes of their own; rounds take turns, so that both meet the
same machine. "of direct" compares photos a second with the direct caller's.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
from absl import app, flags

from serving.client import SegmentationClient
from serving.load_test import measure_load, replica_lines
from tests.serving.server_process import REPOSITORY, start_server

FLAGS = flags.FLAGS

# Answers a line of stdin, seconds to run, with how many photos a second one caller gets.
_DIRECT_CALLER = """
import sys, time, numpy as np
from pathlib import Path
from serving.servables.model_store import ServedVersion
from tfseg.io.version_folders import numbered_versions
version, path = max(numbered_versions(Path(sys.argv[1])).items())
served = ServedVersion(version, path)
photos = [p.read_bytes() for p in sorted(Path(sys.argv[2]).glob("*.jpg"))]
signature = served.signatures["serving_default"]
fetches = [info.name for info in signature.outputs.values()]
def run(turn):
    feed = np.array([photos[turn % len(photos)]], object)
    served.run({signature.inputs["image_bytes"].name: feed}, fetches)
run(0)
print("ready", flush=True)
for line in sys.stdin:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < float(line):
        run(count)
        count += 1
    print(count / (time.perf_counter() - start), flush=True)
"""


def main(_) -> None:
    """Reads the flags and prints the table."""
    photos = [path.read_bytes() for path in sorted(Path(FLAGS.photos_dir).glob("*.jpg"))]
    server = start_server(f"--model_base_path={FLAGS.export_dir}", "--port=0")
    direct = subprocess.Popen(
        [sys.executable, "-c", _DIRECT_CALLER, FLAGS.export_dir, FLAGS.photos_dir],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = server.stdout.readline().split()[-1]
        direct.stdout.readline()
        counts = [int(count) for count in FLAGS.clients]
        rates, figures = [], {count: [] for count in counts}
        with SegmentationClient(address, "fashion") as client:
            client.detect(photos[:1])
            for _ in range(FLAGS.num_rounds):
                direct.stdin.write(f"{FLAGS.seconds}\n")
                direct.stdin.flush()
                rates.append(float(direct.stdout.readline()))
                for count in counts:
                    figures[count].append(measure_load(client.detect, photos, count, FLAGS.seconds))
    finally:
        direct.kill()
        server.terminate()
        server.wait(60)
    _print_table(float(np.median(rates)), figures)


def _print_table(direct_rate: float, figures: dict) -> None:
    print(f"direct call: {direct_rate:.2f} photos/s")
    print(f"{'clients':>8} {'photos/s':>9} {'of direct':>10} {'p50 ms':>7} {'p95':>7} {'p99':>7}")
    for count, rounds in figures.items():
        assert not any(one.failures for one in rounds)
        rate, p50, p95, p99 = (
            float(np.median([getattr(one, name) for one in rounds]))
            for name in ("photos_per_s", "p50_ms", "p95_ms", "p99_ms")
        )
        of_direct = rate / direct_rate
        print(f"{count:8} {rate:9.2f} {of_direct:10.2f} {p50:7.0f} {p95:7.0f} {p99:7.0f}")
    print("\n".join(replica_lines([one for rounds in figures.values() for one in rounds])))


if __name__ == "__main__":
    flags.DEFINE_string("export_dir", None, "Folder of the numbered versions.", required=True)
    flags.DEFINE_string("photos_dir", None, "Folder of JPEGs.", required=True)
    flags.DEFINE_list("clients", ["1", "2", "4", "8"], "Numbers of clients.")
    flags.DEFINE_float("seconds", 8.0, "Length of each run.")
    flags.DEFINE_integer("num_rounds", 3, "Rounds; medians are printed.")
    app.run(main)
