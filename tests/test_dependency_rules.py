"""The rooms are joined by files; these are the only imports that cross."""

import ast
from pathlib import Path

import pytest

REPO_DIR = Path(__file__).resolve().parents[1]
ROOMS = ("data_prep", "tfseg", "serving")
ENTRY_POINTS = {
    *("train.py", "train_stages.py", "evaluate.py", "predict.py", "export.py", "report.py"),
    *("anchors.py", "data_service.py"),
    *("tune_thresholds.py", "import_weights.py", "submission_checks.py", "load_test.py"),
    *("build_tfrecords.py", "extract_photos.py"),
}
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
        ("data_prep", "tfseg"): {"io", "structures", "zoo"},
        ("serving", "tfseg"): {"io", "structures", "zoo"},
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


# Which folders a folder may import, besides itself and the files beside the folders. A line is a
# floor: it imports only from lines above it.
EVERYWHERE = {"io"}  # any folder of tfseg may import it
TFSEG_ARROWS = {
    "io": set(),
    "zoo": set(),
    "structures": set(),
    "ops": set(),
    "configs": {"ops"},
    "modeling": {"configs", "ops"},
    "dataloaders": {"configs", "ops", "structures"},
    "checkpoint": {"configs", "modeling", "zoo"},
    "inference": {"checkpoint", "configs", "modeling", "ops", "structures", "zoo"},
    "evaluation": {"structures"},
    "prediction": {"structures"},
    "reporting": {"evaluation", "structures"},
    "training": {
        *("structures", "ops", "configs", "modeling", "dataloaders"),
        *("checkpoint", "inference", "evaluation"),
    },
}
SERVING_ARROWS = {
    "protocol": set(),
    "client": {"protocol"},
    "servables": {"protocol"},
    "server": {"protocol", "servables"},
    "web": {"client"},
}
# What a data set may take of the tools that are packages: what is published, what is drawn, masks.
BESIDE = {"auto_mask", "download", "sample"}
DATA_PREP_ARROWS = {
    "annotations": set(),
    "readers": {"annotations"},
    "build": {"annotations", "readers"},
    "convert": {"annotations", "readers"},
    "datasets": {"annotations", "build", "convert", "readers", *BESIDE},
}
ARROWS = {"tfseg": TFSEG_ARROWS, "serving": SERVING_ARROWS, "data_prep": DATA_PREP_ARROWS}


def folder_imports(room: str, folder: str) -> dict[str, set[str]]:
    """{name below the room that a folder's modules import: who does}."""
    imports = {}
    for path in (REPO_DIR / room / folder).rglob("*.py"):
        package = ".".join(path.relative_to(REPO_DIR).parent.parts)
        for module in imported_modules(path.read_text(encoding="utf-8"), package):
            parts = module.split(".")
            if parts[0] == room and len(parts) > 1 and parts[1] != folder:
                imports.setdefault(parts[1], set()).add(str(path.relative_to(REPO_DIR)))
    return imports


@pytest.mark.parametrize(
    ("room", "folder"), [(room, folder) for room, arrows in ARROWS.items() for folder in arrows]
)
def test_folders_import_only_along_the_arrows(room, folder):
    arrows = ARROWS[room][folder] | EVERYWHERE
    folders = {path.name for path in (REPO_DIR / room).iterdir() if (path / "__init__.py").exists()}
    assert folder in folders
    imports = folder_imports(room, folder)
    forbidden = {
        f"{who} imports {room}.{name}"
        for name, modules in imports.items()
        for who in modules
        if name not in arrows and (name in folders or f"{name}.py" in ENTRY_POINTS)
    }
    assert forbidden == set()


def test_every_folder_of_tfseg_and_serving_has_its_arrows():
    for room in ("tfseg", "serving"):
        folders = {p.name for p in (REPO_DIR / room).iterdir() if (p / "__init__.py").exists()}
        assert folders == set(ARROWS[room])


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_point_one_way(room):
    above = set()
    for folder, targets in ARROWS[room].items():
        assert targets - above <= BESIDE, folder
        above.add(folder)


def test_nothing_but_entry_points_imports_the_training():
    importing = {
        path.relative_to(REPO_DIR).as_posix()
        for path in modules_of("tfseg")
        for module in imported_modules(path.read_text(encoding="utf-8"), "tfseg")
        if module.startswith("tfseg.training") and path.parent.name != "training"
    }
    assert importing == {"tfseg/train.py"}


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
        ("data_prep", "import tfseg.structures.detections", True),
        ("data_prep", "from tfseg.io import atomic_files", True),
        ("data_prep", "import tfseg.ops.nms", False),
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
