"""How our entry points end: one clear line for a user's error, a traceback for a bug of ours."""

import contextlib
import os
import signal
import sys
import warnings

from absl import logging


def quiet_libraries() -> None:
    """Hides the libraries' log lines and vain warnings; call it before TensorFlow is imported.

    TFSEG_DEBUG=1 leaves them.
    """
    if not os.environ.get("TFSEG_DEBUG"):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.set_verbosity(logging.ERROR)
        # EfficientNet also gives the features of its classifier, which no pyramid takes.
        warnings.filterwarnings("ignore", "Input dict contained keys", UserWarning)


def refuse_arguments(argv: list[str]) -> None:
    """Exits with 1 where an entry point that takes flags only was given a bare argument."""
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; this command takes flags only (--help).")


def _raise_interrupt(*_):
    raise KeyboardInterrupt


@contextlib.contextmanager
def one_line_errors():
    """Turns ValueError and OSError into one line on stderr and exit code 1, an interrupt into 130.

    SIGTERM counts as an interrupt: what is half done is cleaned up or saved.

    The project raises ValueError for bad input alone. Set TFSEG_DEBUG=1 to see the traceback.
    """
    quiet_libraries()
    signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError) as error:
        if os.environ.get("TFSEG_DEBUG"):
            raise
        sys.exit(f"error: {error}")
