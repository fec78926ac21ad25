"""The rooms are joined by files; these are the only imports that cross."""

import ast
from pathlib import Path

import pytest

REPO_DIR = Path(__file__).resolve().parents[1]
ROOMS = ("data_prep", "tfseg", "serving")
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


def imported_modules(source: str, package: str) -> set[str]:
    """Dotted names of all that a module imports; `from a import b` counts as a.b."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                parents = parents[: len(parents) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            names.update(f"{base}.{alias.name}" for alias in node.names)
        elif _is_import_call(node):
            names.add(node.args[0].value)
    return names


def _is_import_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call) or not node.args:
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    first = node.args[0]
    is_text = isinstance(first, ast.Constant) and isinstance(first.value, str)
    return name in ("import_module", "__import__") and is_text


def is_allowed(room: str, module: str) -> bool:
    """Whether code in this room may import this dotted name."""
    parts = module.split(".")
    if parts[0] == "official":
        return room == "tfseg"
    if parts[0] == room or parts[0] not in ROOMS:
        return True
    allowed = {
        ("tfseg", "data_prep"): {"prepared"},
        ("serving", "tfseg"): {"structures"},
    }.get((room, parts[0]), set())
    return len(parts) > 1 and parts[1] in allowed


def modules_of(room: str) -> list[Path]:
    return sorted((REPO_DIR / room).rglob("*.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_the_rules_allow(room):
    paths = modules_of(room)
    assert paths, f"{room} has no modules"
    forbidden = []
    for path in paths:
        package = ".".join(path.relative_to(REPO_DIR).parent.parts)
        modules = imported_modules(path.read_text(encoding="utf-8"), package)
        forbidden += [
            f"{path.relative_to(REPO_DIR)} imports {module}"
            for module in sorted(modules)
            if not is_allowed(room, module)
        ]
    assert forbidden == []


def test_no_module_has_a_name_that_says_nothing():
    named = [path for room in (*ROOMS, "tests") for path in modules_of(room)]
    assert [str(p.relative_to(REPO_DIR)) for p in named if p.stem in VAGUE_NAMES] == []


@pytest.mark.parametrize(
    ("room", "source", "allowed"),
    [
        ("tfseg", "from data_prep.prepared import open_prepared", True),
        ("tfseg", "from data_prep import prepared", True),
        ("tfseg", "from data_prep import masks", False),
        ("tfseg", "import data_prep", False),
        ("tfseg", "import official.core.train_lib", True),
        ("tfseg", "def f():\n    from serving import client", False),
        ("data_prep", "import tfseg.structures.detections", False),
        ("data_prep", "from official.vision import dataloaders", False),
        ("data_prep", "import importlib\nimportlib.import_module('serving.client')", False),
        ("serving", "from tfseg.structures.detections import Detections", True),
        ("serving", "from tfseg.structures import visualize, detections", True),
        ("serving", "from tfseg import task", False),
        ("serving", "from data_prep.prepared import open_prepared", False),
        ("serving", "from . import services", True),
        ("serving", "from .services import Prediction", True),
        ("serving", "import numpy as np", True),
    ],
)
def test_the_rules_themselves(room, source, allowed):
    modules = imported_modules(source, room)
    assert all(is_allowed(room, module) for module in modules) == allowed
