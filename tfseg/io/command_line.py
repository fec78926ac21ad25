"""How every command ends, and its flags that are paths.

No library serves: absl.app gives a traceback for a user's mistake, and its string flags keep "~".
"""

import contextlib
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable, Iterator

from absl import app, flags, logging

from tfseg.io import command_help, tensorflow_log

flags.disclaim_key_flags()  # --help lists them as the command's own


def quiet_libraries() -> None:
    """Hides the libraries' log lines and needless warnings; call it before TensorFlow is imported.

    TFSEG_DEBUG=1 leaves them.
    """
    if not os.environ.get("TFSEG_DEBUG"):
        tensorflow_log.quiet()
        logging.set_verbosity(logging.ERROR)
        # EfficientNet also gives the features of its classifier, which no pyramid takes.
        warnings.filterwarnings("ignore", "Input dict contained keys", UserWarning)


def run(
    define_flags: Callable[[], None],
    main: Callable[[list[str]], object],
    expand: Callable[[list[str]], list[str]] | None = None,
) -> None:
    """Runs a command: defines its flags, answers --help and --version, parses, calls `main`.

    Args:
        define_flags: Defines the command's flags.
        main: Takes what is left of the command line, the program's name first.
        expand: Rewrites the command line before it is parsed, as for recipes given by name.
    """
    define_flags()
    command_help.print_and_exit_if_asked(sys.argv, sys.modules["__main__"].__doc__)
    argv = list(sys.argv)
    if expand:
        try:
            argv = expand(argv)
        except (ValueError, OSError) as error:
            sys.exit(f"error: {error}")
    app.run(main, argv)


def refuse_arguments(argv: list[str]) -> None:
    """Exits with 1 where an entry point that takes flags only was given a bare argument."""
    if len(argv) > 1:
        sys.exit(f"error: unexpected argument {argv[1]!r}; this command takes flags only (--help).")


@contextlib.contextmanager
def one_line_errors(
    again: str | None = "to start anew",
    also: tuple[type[Exception], ...] = (),
    sigterm: bool = True,
) -> Iterator[None]:
    """Turns a user's error into one line on stderr and exit code 1, an interrupt into 130.

    That is ValueError, which the project raises for bad input alone, and OSError; a bug keeps its
    traceback. Set TFSEG_DEBUG=1 to see every traceback. A file name that is no text is printed
    with escapes.

    Args:
        again: What the same command does after an interrupt; None where that is said already.
        also: Further errors that are the user's.
        sigterm: Counts SIGTERM as an interrupt, so that what is half done is cleaned up or saved;
            False leaves it to the program.
    """
    quiet_libraries()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")
    if sigterm:
        signal.signal(signal.SIGTERM, _raise_interrupt)
    users_errors: tuple[type[Exception], ...] = (ValueError, OSError, *also)
    try:
        yield
    except KeyboardInterrupt:
        if again:
            print(f"\ninterrupted; run the same command again {again}", file=sys.stderr)
        sys.exit(130)
    except users_errors as error:
        if os.environ.get("TFSEG_DEBUG"):
            raise
        sys.exit(f"error: {error}")


def _raise_interrupt(*_) -> None:
    raise KeyboardInterrupt


class _PathParser(flags.ArgumentParser):
    """A path as text, "~" expanded; a URL stays as it is."""

    def parse(self, argument: str) -> str:
        return os.path.expanduser(argument)  # noqa: PTH111 Path would merge the slashes of a URL

    def flag_type(self) -> str:
        return "path"


class _PathListParser(flags.ListParser):
    def parse(self, argument: str | list) -> list[str]:
        return [_PathParser().parse(path) for path in super().parse(argument)]


class _SizeParser(flags.ArgumentParser):
    """Height and width of at least a pyramid's cell, at most what a CPU can be asked."""

    _LEAST, _MOST = 64, 4096

    def parse(self, argument: str | tuple[int, int]) -> tuple[int, int]:
        if isinstance(argument, tuple):
            return argument
        found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", argument.lower())
        height, width = map(int, found.groups()) if found else (0, 0)
        if not (min(height, width) >= self._LEAST and max(height, width) <= self._MOST):
            raise ValueError(
                f"expected HEIGHTxWIDTH, as 672x448, each from {self._LEAST} to {self._MOST}"
            )
        return height, width

    def flag_type(self) -> str:
        return "HEIGHTxWIDTH"


class _SizeSerializer(flags.ArgumentSerializer):
    def serialize(self, value: tuple[int, int]) -> str:
        return "x".join(map(str, value))


def define_size(name: str, help_text: str) -> None:
    """Defines a flag that is a height and a width, pixels; None by default."""
    flags.DEFINE(_SizeParser(), name, None, help_text, serializer=_SizeSerializer())


def define_path(name: str, default: str | None, help_text: str, required: bool = False) -> None:
    """Defines a flag that is a path; "~" in it is the home folder."""
    serializer = flags.ArgumentSerializer()
    flags.DEFINE(_PathParser(), name, default, help_text, serializer=serializer, required=required)


def define_paths(name: str, default: list[str], help_text: str) -> None:
    """Defines a flag that is a path and may be given several times."""
    flags.DEFINE_multi(_PathParser(), flags.ArgumentSerializer(), name, default, help_text)


def define_path_list(name: str, default: list[str], help_text: str) -> None:
    """Defines a flag that is several paths with commas between."""
    flags.DEFINE(_PathListParser(), name, default, help_text, serializer=flags.ListSerializer(","))
