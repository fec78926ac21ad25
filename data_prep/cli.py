"""How the entry points end: one clear line for a user's error, a traceback for a bug of ours."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator

from absl import logging

from data_prep.ordered_pool import WorkerDiedError


def quiet_libraries() -> None:
    """Hides the libraries' log lines; call it before TensorFlow is imported.

    TFSEG_DEBUG=1 leaves them.
    """
    if not os.environ.get("TFSEG_DEBUG"):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        logging.set_verbosity(logging.WARNING)


def refuse_arguments(argv: list[str]) -> None:
    """Exits with 1 where an entry point that takes flags only was given a bare argument."""
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; this command takes flags only (--help).")


def _raise_interrupt(*_) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def one_line_errors(again: str = "to start anew") -> Iterator[None]:
    """Turns what is wrong with the input into one line on stderr and exit code 1.

    That is ValueError, OSError and WorkerDiedError. An interrupt ends with 130, and SIGTERM counts
    as one: what is half done is cleaned up. Set TFSEG_DEBUG=1 to see the traceback.

    Args:
        again: what the same command does after an interrupt.
    """
    quiet_libraries()
    signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ninterrupted; run the same command again {again}", file=sys.stderr)
        sys.exit(130)
    except (ValueError, OSError, WorkerDiedError) as error:
        if os.environ.get("TFSEG_DEBUG"):
            raise
        sys.exit(f"error: {error}")
