"""Keeps TensorFlow's C++ log lines from between a command's own, without importing it.

TF_CPP_MIN_LOG_LEVEL hides most; what TensorFlow's graph rewriters and compilers write (as
auto_mixed_precision, PredictCost, MLIR) goes through abseil's log, whose level no variable and no
function of TensorFlow's Python sets. abseil's own SetMinLogLevel does, and the library that holds
it exports it; its name has abseil's release in it, which
tests/tfseg/io/test_tensorflow_log.py sees to.
"""

import ctypes
import importlib.abc
import os
import sys
from pathlib import Path

_SET_MIN_LOG_LEVEL = "_ZN4absl12lts_2025012714SetMinLogLevelENS0_18LogSeverityAtLeastE"
_FATAL = 3  # absl::LogSeverityAtLeast::kFatal


def quiet() -> None:
    """Hides TensorFlow's log lines but for fatal ones; call it before TensorFlow is imported."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not any(isinstance(finder, _AtImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AtImport())


class _AtImport(importlib.abc.MetaPathFinder):
    """Sets abseil's level as TensorFlow is found; it finds nothing itself."""

    def find_spec(self, fullname, path=None, target=None) -> None:
        """Lets the other finders find; takes itself away at "tensorflow"."""
        if fullname != "tensorflow":
            return
        sys.meta_path.remove(self)
        for folder in sys.path:
            library = Path(folder) / "tensorflow" / "libtensorflow_framework.so.2"
            if library.is_file():
                set_min_log_level(library, _FATAL)
                return


def set_min_log_level(library: Path, level: int) -> bool:
    """Sets the least severity that abseil's log in a shared library writes.

    Args:
        library: Path of libtensorflow_framework.
        level: 0 info, 1 warning, 2 error, 3 fatal.

    Returns:
        Whether the library has the function.
    """
    function = getattr(ctypes.CDLL(str(library)), _SET_MIN_LOG_LEVEL, None)
    if function is None:
        return False
    function(level)
    return True
