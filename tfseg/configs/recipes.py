"""Finds the recipes of `configs/`, by path or by name, from any working directory.

`--config=modanet_r50` on a command line is the flags of configs/modanet_r50.flags. In a checkout
the folder lies beside the packages; an installed package holds it as tfseg/recipes.
"""

import difflib
import shlex
from pathlib import Path

_PACKAGE_DIR = Path(__file__).resolve().parents[1]
_PATH_FLAGS = ("--config_file=", "--flagfile=")


def recipes_dir() -> Path:
    """Returns the folder of the recipes that came with this package."""
    installed = _PACKAGE_DIR / "recipes"
    return installed if installed.is_dir() else _PACKAGE_DIR.parent / "configs"


def recipe_names() -> list[str]:
    """Returns the names that `--config=` takes, sorted."""
    return sorted(path.stem for path in recipes_dir().glob("*.flags"))


def find(path: str, suffix: str = ".yaml") -> str:
    """Returns the path of a recipe's file: as given where it exists, else of that name among ours.

    Args:
        path: A path, or a recipe's name without folder or ending.
        suffix: The ending that is added to a name.

    Returns:
        A path that exists; `path` itself where none is found, so that its reader can say so.
    """
    given = Path(path)
    if not given.is_file():
        for name in (given.name, given.name + suffix):
            if given.parent.name in ("", "configs") and (recipes_dir() / name).is_file():
                return str(recipes_dir() / name)
    return path


def expand(argv: list[str]) -> list[str]:
    """Puts the flags of `--config=NAME`, and of a recipe's `--flagfile`, in their place.

    The flags files that a recipe names, and its YAML files, are looked for beside it; so the
    working directory does not matter.

    Args:
        argv: The command line, the program's name first.

    Returns:
        The command line without `--config`; other flags files are left to absl.

    Raises:
        ValueError: No recipe of that name.
    """
    expanded = []
    arguments = iter(argv)
    for argument in arguments:
        flag, separator, value = argument.partition("=")
        if flag in ("--config", "-config", "--flagfile", "-flagfile") and not separator:
            value = next(arguments, "")
        if flag in ("--config", "-config"):
            expanded += _flags_of(_by_name(value))
        elif flag in ("--flagfile", "-flagfile"):
            path = Path(find(value, ".flags"))
            is_recipe = path.resolve().parent == recipes_dir()
            expanded += _flags_of(path) if is_recipe else [f"--flagfile={value}"]
        else:
            expanded.append(argument)
    return expanded


def _by_name(name: str) -> Path:
    path = Path(find(name, ".flags"))
    if path.suffix == ".flags" and path.is_file():
        return path
    names = recipe_names()
    close = difflib.get_close_matches(Path(name).stem, names, 1)
    hint = (
        f"did you mean {close[0]}?" if close else f"expected a .flags file, or {', '.join(names)}."
    )
    raise ValueError(f"--config={name}: no recipe of that name; {hint}")


def _flags_of(path: Path) -> list[str]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        for word in shlex.split(line, comments=True):
            prefix = next((one for one in _PATH_FLAGS if word.startswith(one)), None)
            if prefix is None:
                found.append(word)
                continue
            beside = path.parent / Path(word.removeprefix(prefix)).name
            nested = str(beside) if beside.is_file() else word.removeprefix(prefix)
            found += _flags_of(Path(nested)) if prefix == "--flagfile=" else [prefix + nested]
    return found
