"""Lists where our modules touch private members of libraries: `python -m tests.private_members`.

Private is what a library may change without a word: a name with an underscore, a module that its
documentation does not list, and what an object or a module does where it is replaced from outside.
"""

import ast
import dataclasses
from pathlib import Path

REPO_DIR = Path(__file__).resolve().parents[1]
ROOMS = ("data_prep", "tfseg", "serving")
# The modules that hold such uses, one for each library.
COMPAT_MODULES = {
    "data_prep/build/tfds_compat.py",
    "tfseg/modeling/keras_compat.py",
    "tfseg/modeling/model_garden_compat.py",
    "tfseg/training/orbit_compat.py",
    "tfseg/training/tensorflow_compat.py",
}
GENERATED = "_pb2.py"
LIBRARIES = {"absl", "grpc", "official", "orbit", "tensorflow", "tensorflow_datasets", "tf_keras"}
# Packages without an underscore that the libraries' documentation does not list.
_PRIVATE_PACKAGES = ("tensorflow.python", "tf_keras.src", "keras.src", "tensorflow_datasets.core")
# namedtuple's are documented, os._exit is too.
_DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_exit"}
# What Keras layers compute with, and can be replaced on one of them.
_LAYER_PARTS = {
    *("call", "build", "compute_mask", "compute_output_shape", "get_config", "add_weight"),
    *("convolution_op", "pool_function", "input_spec", "strides", "padding", "kernel_size"),
}


@dataclasses.dataclass(frozen=True)
class PrivateUse:
    """A use: its line, and what it touches, such as `head._classifier` or `layer.call =`."""

    line: int
    text: str


def private_uses(source: str) -> list[PrivateUse]:
    """Returns the uses in a module's source, by line.

    Ours are names with an underscore on `self` and `cls`, on our own modules, and methods of a
    class in the same source. Whether `self` has inherited one from a library, the source does not
    tell: inherited_private_names.
    """
    tree = ast.parse(source)
    imports, own_methods = _imported_names(tree), _method_names(tree)
    uses = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            texts = [f"import {alias.name}" for alias in node.names if _is_unlisted(alias.name)]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names if not node.level]
            texts = [f"import {name}" for name in names if _is_unlisted(name)]
        elif isinstance(node, ast.Call):
            texts = _named_by_text(node)
        elif isinstance(node, ast.Attribute):
            texts = _attribute(node, imports, own_methods)
        else:
            continue
        uses += [PrivateUse(node.lineno, text) for text in texts]
    return sorted(uses, key=lambda use: (use.line, use.text))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _DOCUMENTED


def _is_unlisted(module: str) -> bool:
    if module.split(".")[0] in ROOMS:
        return False
    listed = not any(f"{module}.".startswith(f"{one}.") for one in _PRIVATE_PACKAGES)
    return not listed or any(_is_private(part) for part in module.split("."))


def _named_by_text(call: ast.Call) -> list[str]:
    """getattr(block, f"_conv{number}") and its kin."""
    accessors = ("getattr", "setattr", "hasattr", "delattr")
    if getattr(call.func, "id", "") not in accessors or len(call.args) < 2:
        return []
    name = call.args[1]
    if isinstance(name, ast.JoinedStr):
        name = name.values[0]
    value = getattr(name, "value", None)
    is_ours = getattr(call.args[0], "id", "") in ("self", "cls")
    return (
        [ast.unparse(call)] if isinstance(value, str) and _is_private(value) and not is_ours else []
    )


def _attribute(node: ast.Attribute, imports: dict[str, str], own_methods: set[str]) -> list[str]:
    text = ast.unparse(node)
    root = text.split(".")[0]
    library = imports.get(root, root).split(".")[0]
    on_self = isinstance(node.value, ast.Name) and root in ("self", "cls")
    if _is_private(node.attr):
        is_own = on_self or library in ROOMS or node.attr in own_methods
        return [] if is_own and not text.startswith("super(") else [text]
    if isinstance(node.ctx, ast.Load):
        return []
    is_patch = library in LIBRARIES or (node.attr in _LAYER_PARTS and not on_self)
    return [f"{text} ="] if is_patch else []


def _imported_names(tree: ast.AST) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({a.asname or a.name.split(".")[0]: a.name for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            package = ROOMS[0] if node.level else node.module  # a relative one is ours
            names.update({a.asname or a.name: f"{package}.{a.name}" for a in node.names})
    return names


def _method_names(tree: ast.AST) -> set[str]:
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    return {part.name for one in classes for part in one.body if isinstance(part, ast.FunctionDef)}


def inherited_private_names(class_: type, source: str) -> set[str]:
    """The private names of library classes that a class of ours overrides or reads on `self`.

    Args:
        class_: A class of one of our modules.
        source: Of its module.
    """
    bases = [base for base in class_.__mro__ if base.__module__.split(".")[0] in LIBRARIES]
    theirs = {name for base in bases for name in vars(base) if _is_private(name)}
    (node,) = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and node.name == class_.__name__
    ]
    on_self = [
        part
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and getattr(part.value, "id", "") in ("self", "cls")
    ]
    ours = {base for base in class_.__mro__ if base.__module__.split(".")[0] in ROOMS}
    defined = {name for base in ours for name in vars(base)}
    defined |= {part.attr for part in on_self if isinstance(part.ctx, ast.Store)}
    read = {part.attr for part in on_self if _is_private(part.attr)}
    # What a library sets in a constructor is in no class: it is read, and nowhere of ours written.
    written = {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    return (written & theirs) | (read & theirs) | (read - defined if bases else set())


def module_paths() -> list[Path]:
    """Every module of the three rooms that a person writes."""
    paths = [path for room in ROOMS for path in sorted((REPO_DIR / room).rglob("*.py"))]
    return [path for path in paths if not path.name.endswith(GENERATED)]


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
