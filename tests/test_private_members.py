"""Private members of libraries are touched in the compat modules and nowhere else."""

import ast
import importlib

import pytest

from tests.private_members import (
    COMPAT_MODULES,
    LIBRARIES,
    REPO_DIR,
    inherited_private_names,
    module_paths,
    private_uses,
)

# TFDS documents these three, underscore and all, as what a builder has to have.
_BUILDER_INTERFACE = {"_info", "_split_generators", "_generate_examples"}


def test_only_compat_modules_touch_private_members():
    uses = [
        f"{path.relative_to(REPO_DIR)}:{use.line}: {use.text}"
        for path in module_paths()
        if path.relative_to(REPO_DIR).as_posix() not in COMPAT_MODULES
        for use in private_uses(path.read_text(encoding="utf-8"))
    ]
    assert uses == []


@pytest.mark.parametrize("path", sorted(COMPAT_MODULES))
def test_every_compat_module_has_uses(path):
    assert private_uses((REPO_DIR / path).read_text(encoding="utf-8"))


def subclassing_modules() -> list[str]:
    """Modules with a class that may have a library's among its bases."""
    paths = []
    for path in module_paths():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        # A name in this module or an imported one may lead to a library; builtins do not.
        has_bases = any(
            isinstance(node, ast.ClassDef)
            and any(ast.unparse(base) not in ("NamedTuple", "Exception") for base in node.bases)
            for node in tree.body
        )
        if has_bases:
            paths.append(path.relative_to(REPO_DIR).as_posix())
    return paths


def test_classes_of_libraries_are_extended_by_public_methods():
    found, num_extending = {}, 0
    for path in subclassing_modules():
        source = (REPO_DIR / path).read_text(encoding="utf-8")
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            assert error.name == "apache_beam", path  # an environment of its own
            continue
        for class_ in vars(module).values():
            if not isinstance(class_, type) or class_.__module__ != name:
                continue
            num_extending += any(b.__module__.split(".")[0] in LIBRARIES for b in class_.__mro__)
            names = inherited_private_names(class_, source) - _BUILDER_INTERFACE
            if names and path not in COMPAT_MODULES:
                found[f"{name}.{class_.__name__}"] = names
    assert num_extending > 10
    assert found == {}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("head._classifier.bias", ["head._classifier"]),
        ("model.heads[0]._convs", ["model.heads[0]._convs"]),
        (
            "def f(block, n):\n    return getattr(block, f'_conv{n}')",
            ["getattr(block, f'_conv{n}')"],
        ),
        ("hasattr(layer, '_autocast')", ["hasattr(layer, '_autocast')"]),
        ("super()._build()", ["super()._build"]),
        ("class A:\n    def _b(self): super()._b()", ["super()._b"]),
        ("import tensorflow.python.eager.context", ["import tensorflow.python.eager.context"]),
        ("from tf_keras.src.engine import training", ["import tf_keras.src.engine.training"]),
        ("from tensorflow_datasets.core import writer", ["import tensorflow_datasets.core.writer"]),
        ("from absl.logging import _foo", ["import absl.logging._foo"]),
        ("import orbit\norbit.controller.log = print", ["orbit.controller.log ="]),
        ("from official.core import actions as a\na.X = 3", ["a.X ="]),
        ("layer.call = f", ["layer.call ="]),
        ("a.strides, b.strides = 1, 2", ["a.strides =", "b.strides ="]),
        ("del model.roi_aligner.call", ["model.roi_aligner.call ="]),
        ("with f() as layer.input_spec: pass", ["layer.input_spec ="]),
        ("self._x = self._y", []),
        ("class A:\n    def _b(self): pass\ndef f(a): return a._b()", []),
        ("from data_prep.readers import coco\ncoco._read()", []),
        ("from . import journal\njournal._open()", []),
        ("bbox._replace(xmin=0)", []),
        ("import tensorflow_datasets as tfds\ntfds.core.DatasetInfo", []),
        ("layer.trainable = False", []),
        ("self.strides = (1, 1)", []),
        ("module.__name__", []),
    ],
)
def test_what_counts_as_private(source, expected):
    assert [use.text for use in private_uses(source)] == expected


def test_inherited_names_are_seen():
    import orbit

    source = (
        "class Overriding(orbit.Controller):\n    def _maybe_save_checkpoint(self): ...\n"
        "class Reading(orbit.Controller):\n    def f(self): return self._steps_per_loop\n"
        "class Public(orbit.Controller):\n    def __init__(self): self._own = 1\n"
        "    def train(self, steps): return self._own, self._also_own()\n"
        "    def _also_own(self): ...\n"
    )
    names = {"orbit": orbit, "__name__": "tfseg.example"}
    exec(compile(source, "example", "exec"), names)

    found = {
        name: inherited_private_names(names[name], source)
        for name in ("Overriding", "Reading", "Public")
    }

    assert found == {
        "Overriding": {"_maybe_save_checkpoint"},
        "Reading": {"_steps_per_loop"},
        "Public": set(),
    }
