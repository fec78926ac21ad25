"""Lists where our modules touch private members of libraries: `python -m tests.private_members`.

Private is what a library may change without a word: a name with an underscore, a module that its
documentation does not list, a method replaced on an object or in a module.
"""

import ast
import dataclasses
from pathlib import Path

REPO_DIR = Path(__file__).resolve().parents[1]
ROOMS = ("data_prep", "tfseg", "serving")
# Each of the modules that hold such uses, by the library.
COMPAT_MODULES = {
    "data_prep/build/tfds_compat.py",
    "tfseg/modeling/keras_compat.py",
    "tfseg/modeling/model_garden_compat.py",
    "tfseg/training/orbit_compat.py",
    "tfseg/training/tensorflow_compat.py",
}
GENERATED = ("_pb2.py", "_pb2_grpc.py")
LIBRARIES = {"absl", "grpc", "official", "orbit", "tensorflow", "tensorflow_datasets", "tf_keras"}
# Packages without an underscore that the libraries' documentation does not list.
_PRIVATE_PACKAGES = (
    "tensorflow.python",
    "tensorflow.core",
    "tf_keras.src",
    "tensorflow_datasets.core",
    "keras.src",
)
_DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "os._exit"}
# What Keras layers are made of: assigned to a layer of theirs, it replaces what they do.
_LAYER_PARTS = {
    *("call", "build", "compute_mask", "compute_output_shape", "add_weight", "get_config"),
    *("convolution_op", "pool_function", "strides", "input_spec", "kernel_size", "padding"),
}


@dataclasses.dataclass(frozen=True)
class PrivateUse:
    """A use: the line, and what it touches, such as `head._classifier` or `layer.call =`."""

    line: int
    text: str


def private_uses(source: str) -> list[PrivateUse]:
    """Returns the uses in a module's source, by line.

    A name with an underscore is ours where the same module defines it, and on `self`, `cls` and
    modules of the three rooms; inherited ones are found by tests/test_library_privates.py.
    """
    visitor = _Visitor()
    tree = ast.parse(source)
    visitor.modules = _imported_names(tree)
    visitor.own = _defined_names(tree)
    visitor.visit(tree)
    return sorted(visitor.uses, key=lambda use: use.line)


class _Visitor(ast.NodeVisitor):
    def __init__(self):
        self.uses: list[PrivateUse] = []
        self.modules: dict[str, str] = {}
        self.own: set[str] = set()

    def _add(self, node: ast.AST, text: str) -> None:
        self.uses.append(PrivateUse(node.lineno, text))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._check_module(node, alias.name)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if not node.level:
            for alias in node.names:
                self._check_module(node, f"{node.module}.{alias.name}")

    def _check_module(self, node: ast.AST, name: str) -> None:
        if name.split(".")[0] in ROOMS:
            return
        listed = any(f"{name}.".startswith(f"{package}.") for package in _PRIVATE_PACKAGES)
        if listed or any(_is_private(part) for part in name.split(".")):
            self._add(node, f"import {name}")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        text = ast.unparse(node)
        on_super = text.startswith("super()")
        if (
            _is_private(node.attr)
            and not {node.attr, text} & _DOCUMENTED
            and not self._is_ours(node)
            and (on_super or node.attr not in self.own)
        ):
            self._add(node, text)
        root = self.modules.get(text.split(".")[0])
        if root:
            full = ".".join([root, *text.split(".")[1:]])
            if full.startswith(tuple(f"{one}." for one in _PRIVATE_PACKAGES[:-1])):
                # `tfds.core.X` is documented, its modules are not
                if len(full.split(".")) > 3 and not root.startswith(_PRIVATE_PACKAGES):
                    self._add(node, full)
        self.generic_visit(node)

    def _is_ours(self, node: ast.Attribute) -> bool:
        if not isinstance(node.value, ast.Name):
            return False
        name = node.value.id
        return name in ("self", "cls") or self.modules.get(name, "").split(".")[0] in ROOMS

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", "")
        if name in ("getattr", "setattr", "hasattr", "delattr") and len(node.args) > 1:
            start = node.args[1]
            if isinstance(start, ast.JoinedStr) and start.values:
                start = start.values[0]
            value = getattr(start, "value", None)
            on_self = getattr(node.args[0], "id", "") == "self"
            if isinstance(value, str) and _is_private(value) and not on_self:
                self._add(node, ast.unparse(node))
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._check_targets(node, node.targets)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._check_targets(node, [node.target])

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._check_targets(node, [node.target])

    def visit_Delete(self, node: ast.Delete) -> None:
        self._check_targets(node, node.targets)

    def _check_targets(self, node: ast.AST, targets: list[ast.expr]) -> None:
        for target in targets:
            for one in target.elts if isinstance(target, ast.Tuple) else [target]:
                self._check_target(one)
        self.generic_visit(node)

    def _check_target(self, target: ast.expr) -> None:
        if not isinstance(target, ast.Attribute):
            return
        text = ast.unparse(target)
        library = self.modules.get(text.split(".")[0], "").split(".")[0] in LIBRARIES
        on_layer = target.attr in _LAYER_PARTS and not text.startswith(("self.", "cls."))
        if (library or on_layer) and not _is_private(target.attr):
            self._add(target, f"{text} =")


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _imported_names(tree: ast.AST) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.asname or alias.name.split(".")[0]
                names[name] = alias.name if alias.asname else name
        elif isinstance(node, ast.ImportFrom):
            package = f"{ROOMS[0]}." if node.level else f"{node.module}."  # a relative one is ours
            names.update({a.asname or a.name: f"{package}{a.name}" for a in node.names})
    return names


def _defined_names(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if getattr(node.value, "id", "") in ("self", "cls"):
                names.add(node.attr)
        elif isinstance(node, ast.ClassDef | ast.Module):
            names.update(t.id for t in node.body if isinstance(t, ast.Name))
    return names


def module_paths() -> list[Path]:
    """Every module of the three rooms that a person writes."""
    return [
        path
        for room in ROOMS
        for path in sorted((REPO_DIR / room).rglob("*.py"))
        if not path.name.endswith(GENERATED)
    ]


def main() -> None:
    """Prints every use."""
    total = 0
    for path in module_paths():
        for use in private_uses(path.read_text(encoding="utf-8")):
            print(f"{path.relative_to(REPO_DIR)}:{use.line}: {use.text}")
            total += 1
    print(f"{total} uses of private members")


if __name__ == "__main__":
    main()
