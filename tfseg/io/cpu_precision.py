"""Whether this CPU computes faster in bfloat16 than in float32: measured here, not read off flags.

AVX512_BF16 without AMX gains on some processors and loses on others, in training other than in
inference. The measurement takes some seconds, most of them TensorFlow's start, and is kept in the
user's cache folder, by processor, number of cores and TensorFlow's version.
"""

import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from tfseg.io import child_process, user_cache
from tfseg.io.atomic_files import WriteError, write_whole

INFERENCE, TRAINING = KINDS = ("inference", "training")
_GAIN = 1.05  # a smaller one is scatter
_ROUNDS = 4
_FILE_NAME = "cpu_precision.json"
_FEATURES = ("avx512f", "avx512_bf16", "amx_bf16")


def gains_by_bfloat16(kind: str, tell: bool = True) -> bool:
    """Whether oneDNN's bfloat16 is faster than float32 here.

    Args:
        kind: INFERENCE or TRAINING (with gradients).
        tell: Print one line about it to stderr.
    """
    ratio = _known_or_measured(kind)
    gains = ratio is not None and ratio > _GAIN
    if tell:
        chosen = "bfloat16" if gains else "float32"
        why = (
            "whether bfloat16 is faster could not be measured"
            if ratio is None
            else f"bfloat16 takes {1 / ratio:.2f} of float32's time on this CPU"
        )
        print(f"{kind} in {chosen}: {why}", file=sys.stderr)
    return gains


def _known_or_measured(kind: str) -> float | None:
    """float32's time over bfloat16's; None where it cannot be measured."""
    path = user_cache.cache_dir() / _FILE_NAME
    key = f"{_machine()}, {kind}"
    known: dict = {}
    with contextlib.suppress(OSError, ValueError):
        read = json.loads(path.read_text(encoding="utf-8"))
        known = read if isinstance(read, dict) else {}
    if not isinstance(known.get(key), int | float) or known[key] <= 0:
        measured = _measured_apart(kind)
        if measured is None:
            return None
        known[key] = measured
        with contextlib.suppress(OSError, WriteError):  # it is measured again next time
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(known, indent=1) + "\n", "what was measured")
    return float(known[key])


def _measured_apart(kind: str) -> float | None:
    """Measures in a process of its own: this one's devices are not set up yet, or at work."""
    done = subprocess.run(
        [sys.executable, "-c", f"from {__name__} import _measure; print(_measure({kind!r}))"],
        capture_output=True,
        text=True,
        env=child_process.environment(TF_CONFIG="", TF_CPP_MIN_LOG_LEVEL="3"),
    )
    try:
        return round(float(done.stdout.split()[-1]), 3)
    except (IndexError, ValueError):
        return None


def _machine() -> str:
    """What a measurement holds for; one model name stands for processors with and without AMX."""
    known = ""
    with contextlib.suppress(OSError):
        known = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    named = re.search(r"^model name\s*:\s*(.*)$", known, re.MULTILINE)
    found = [name for name in _FEATURES if re.search(rf"\b{name}\b", known)]
    model = named[1] if named else platform.processor() or platform.machine()
    cores = f"{len(os.sched_getaffinity(0))} cores"
    return ", ".join([model, *found, cores, user_cache.tensorflow_version()])


def _measure(kind: str) -> float:
    """Times a stack of convolutions as in a feature pyramid; the formats take turns."""
    import tensorflow as tf

    weights = [tf.Variable(tf.random.stateless_normal([3, 3, 128, 128], [1, i])) for i in range(3)]
    images = tf.random.stateless_normal([2, 72, 48, 128], [2, 2])

    def forward():
        features = images
        for weight in weights:
            features = tf.nn.relu(tf.nn.conv2d(features, 0.05 * weight, 1, "SAME"))
        return tf.reduce_mean(features)

    @tf.function
    def step():
        if kind == INFERENCE:
            return forward()
        with tf.GradientTape() as tape:
            loss = forward()
        return tape.gradient(loss, weights)

    def timed(enabled: bool) -> float:
        # A function is rewritten for the options that are set when it is called.
        tf.config.optimizer.set_experimental_options(
            {"auto_mixed_precision_onednn_bfloat16": enabled}
        )
        step()
        start = time.perf_counter()
        for _ in range(3):
            tf.nest.map_structure(lambda tensor: tensor.numpy(), step())
        return time.perf_counter() - start

    with tf.device("/cpu:0"):
        seconds = [(timed(False), timed(True)) for _ in range(_ROUNDS)]
    return min(one for one, _ in seconds) / min(one for _, one in seconds)
