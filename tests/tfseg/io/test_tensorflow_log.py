import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from tfseg.io import tensorflow_log

# oneDNN's bfloat16 pass says "No allowlist ops found" of this graph, where the CPU has AVX-512: on
# others TensorFlow leaves the pass out.
REWRITTEN = """
import tensorflow as tf
tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": True})
print(float(tf.function(lambda x: tf.reduce_sum(tf.nn.relu(x * x + x)))(tf.ones([8]))))
"""
QUIET = "from tfseg.io import tensorflow_log; tensorflow_log.quiet()\n"


def run(code):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_nothing_of_tensorflow_is_written():
    printed, said = run(QUIET + REWRITTEN)
    assert printed == "16.0\n"
    assert said == ""
    otherwise = run(REWRITTEN)[1]
    assert otherwise
    if "avx512f" in Path("/proc/cpuinfo").read_text():
        assert "auto_mixed_precision" in otherwise


def test_the_installed_release_has_the_function():
    folder = Path(importlib.util.find_spec("tensorflow").origin).parent
    library = folder / "libtensorflow_framework.so.2"
    assert tensorflow_log.set_min_log_level(library, 3)


def test_a_library_without_it_is_left_alone():
    printed, _ = run(
        "import _ctypes, pathlib\nfrom tfseg.io import tensorflow_log\n"
        "print(tensorflow_log.set_min_log_level(pathlib.Path(_ctypes.__file__), 3))"
    )
    assert printed == "False\n"


def test_asking_twice_hooks_once():
    printed, _ = run(
        "import sys\nfrom tfseg.io import tensorflow_log\nbefore = len(sys.meta_path)\n"
        "tensorflow_log.quiet()\ntensorflow_log.quiet()\nprint(len(sys.meta_path) - before)"
    )
    assert printed == "1\n"
