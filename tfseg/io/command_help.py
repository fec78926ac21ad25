"""What `--help` and `--version` of every command print.

No library serves: absl lists flags by module, does not say which are required, and exits with 1.
"""

import re
import shutil
import sys
import textwrap

from absl import flags

import tfseg


def print_and_exit_if_asked(argv: list[str], description: str | None) -> None:
    """Prints help or version and exits with 0 where one of them was asked for.

    Args:
        argv: The command line, the program's name first.
        description: The command's docstring: what it does, with an example.
    """
    for argument in argv[1:]:
        if argument == "--":
            return
        if argument in ("--help", "-help", "-h", "--helpshort"):
            print(help_text(description or "", argv[0]))
            sys.exit(0)
        if argument in ("--version", "-version"):
            print(f"tfseg {tfseg.__version__}")
            sys.exit(0)


def help_text(description: str, program: str) -> str:
    """Returns the description, then the command's flags: required ones first and marked.

    Args:
        description: The command's docstring.
        program: The program's name, by which absl knows the flags that it defined.
    """
    width = min(max(shutil.get_terminal_size().columns, 60), 100)
    found = {flag.name: flag for flag in flags.FLAGS.get_key_flags_for_module(program)}
    required = [flag for flag in found.values() if is_required(flag)]
    others = sorted(
        (flag for flag in found.values() if flag not in required), key=lambda flag: flag.name
    )
    parts = [description.strip()]
    for title, group in (("Required flags:", required), ("Flags:", others)):
        if group:
            parts.append("\n".join([title, *(_flag_lines(flag, width) for flag in group)]))
    parts.append("--flagfile=PATH reads flags from a file; --helpfull lists the libraries' too.")
    return "\n\n".join(parts)


def is_required(flag: flags.Flag) -> bool:
    """Whether the command refuses to start without this flag."""
    return flag.default is None and any(
        "must have a value" in validator.message for validator in flag.validators
    )


def _flag_lines(flag: flags.Flag, width: int) -> str:
    kind = flag.flag_type()
    values = getattr(flag.parser, "enum_values", None)
    if kind == "bool":
        head = f"--[no]{flag.name}"
    else:
        head = f"--{flag.name}={'|'.join(values) if values else _placeholder(kind)}"
    # absl's enum flags begin their help with the values, which the head has already.
    text = re.sub(r"^<[^>]*>: ", "", flag.help or "").split(";\n    repeat this option")[0]
    if kind.startswith("multi "):
        text += " May be given several times."
    if flag.default not in (None, [], "") and kind != "bool":
        shown = ",".join(map(str, flag.default)) if isinstance(flag.default, list) else flag.default
        text += f" Default {shown}."
    if kind == "bool" and flag.default is not None:
        text += f" {'On' if flag.default else 'Off'} by default."
    bounds = getattr(flag.parser, "syntactic_help", "")
    if not values and any(mark in bounds for mark in ("range", "<", ">")):
        text += f" ({bounds})"
    body = textwrap.fill(text, width, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return f"  {head}\n{body}"


def _placeholder(kind: str) -> str:
    names = {"int": "N", "float": "X", "path": "PATH", "comma separated list of strings": "A,B"}
    return names.get(kind.replace("multi ", ""), "TEXT")
