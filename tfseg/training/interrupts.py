"""Steps of a training that Ctrl-C and SIGTERM must not leave half done."""

import contextlib
import signal


@contextlib.contextmanager
def interrupts_ignored():
    """Lets what must not be stopped half done, as a save, come to its end; main thread only."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def interrupts_deferred():
    """Lets a short step that must not be left half done end first; main thread only.

    Raises:
        KeyboardInterrupt: One came meanwhile.
    """
    came = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: came.append(1)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt
