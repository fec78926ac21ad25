"""Reads the weights in PyTorch's .pth files and Detectron2's .pkl files, without PyTorch.

Only arrays and plain containers are unpickled: a file cannot run code.
"""

import collections
import io
import math
import pickle
import pickletools
import zipfile
from pathlib import Path

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py, MAGIC_NUMBER of the format before 1.6
_STORAGE_DTYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
    "BoolStorage": np.bool_,
}
_MEMO_SLACK = 1000
_PLAIN = {("collections", "OrderedDict"): collections.OrderedDict}
# What numpy's arrays are pickled by, in both of its layouts, and Python 2's bytes.
_NUMPY = {
    (module, name): (module.replace("numpy.core", "numpy._core"), name)
    for modules, names in (
        (("numpy",), ("ndarray", "dtype")),
        (("numpy.core.multiarray", "numpy._core.multiarray"), ("_reconstruct", "scalar")),
        (("numpy.core.numeric", "numpy._core.numeric"), ("_frombuffer",)),
    )
    for module in modules
    for name in names
} | {("_codecs", "encode"): ("_codecs", "encode")}


class _Storage:
    """The memory that tensors are views of, known before its bytes are read."""

    def __init__(self, dtype, num_values: int):
        self.dtype, self.num_values = np.dtype(dtype), num_values
        self.values = np.zeros(0, self.dtype)

    def fill(self, raw: bytes) -> None:
        """Takes the bytes; ValueError where the file does not have them all."""
        if len(raw) != self.num_values * self.dtype.itemsize:
            raise ValueError(
                f"a weight has {len(raw)} of {self.num_values * self.dtype.itemsize} bytes: it is "
                "cut short"
            )
        self.values = np.frombuffer(raw, self.dtype)


class _View:
    """A tensor: a view of a storage."""

    def __init__(self, storage, offset, size, stride, *_):
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride

    def array(self) -> np.ndarray:
        values = self.storage.values[self.offset :]
        last = sum(step * (side - 1) for step, side in zip(self.stride, self.size, strict=True))
        # as_strided looks at memory beyond the storage without a word.
        if min((0, self.offset, *self.stride, *self.size)) < 0:
            raise ValueError("a weight of negative size")
        if all(self.size) and last >= len(values):
            raise ValueError("a weight passes the end of its storage")
        if math.prod(self.size) > len(values):  # the same value again and again, by a stride of 0
            raise ValueError("a weight is larger than its storage")
        strides = [step * values.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(values, self.size, strides).copy()


class _Unpickler(pickle.Unpickler):
    """Unpickles containers, numpy arrays and tensors."""

    def __init__(self, file, storages: dict[str, _Storage]):
        super().__init__(file, encoding="latin1")
        self._storages = storages

    def find_class(self, module, name):
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        if module == "torch" and name in _STORAGE_DTYPES:
            return _STORAGE_DTYPES[name]
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _View
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda view, *_: view
        if (module, name) in _NUMPY:
            return super().find_class(*_NUMPY[module, name])
        raise pickle.UnpicklingError(f"it holds a {module}.{name}")

    def persistent_load(self, pid):
        _, dtype, key, _, num_values = pid[:5]
        return self._storages.setdefault(key, _Storage(dtype, num_values))


def read_weights(path: str) -> dict[str, np.ndarray]:
    """Reads the weights of a .pth (both formats) or .pkl file.

    Args:
        path: A state dict, or a dict with one at `model` or `state_dict`.

    Returns:
        Arrays by name.

    Raises:
        ValueError: The file cannot be read or holds something else.
    """
    try:
        return _arrays(_read(path))
    except Exception as error:  # of a damaged pickle there are many kinds
        raise ValueError(
            f"{path}: cannot be read as PyTorch or Detectron2 weights ({error}); download it again."
        ) from None


def _arrays(content) -> dict[str, np.ndarray]:
    for key in ("model", "state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    weights = {}
    for name, value in content.items() if isinstance(content, dict) else ():
        if isinstance(value, _View):
            weights[name] = value.array()
        elif isinstance(value, np.ndarray):
            weights[name] = value
    if not weights:
        raise ValueError("it holds no weights by name, expected a state dict")
    return weights


def _load(file: io.BytesIO, storages: dict[str, _Storage]):
    """Unpickles what begins here, once it is seen to number what it remembers one after another.

    A few bytes would else make Python's unpickler set gigabytes aside.
    """
    start, num_remembered = file.tell(), 0
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            num_remembered += 1
            number = int(argument or 0)
            if number > 2 * num_remembered + _MEMO_SLACK:
                raise pickle.UnpicklingError(f"it remembers an object as number {number:,}")
    file.seek(start)
    return _Unpickler(file, storages).load()


def _read(path: str):
    storages: dict[str, _Storage] = {}
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            record = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            content = _load(io.BytesIO(archive.read(record)), storages)
            for key, storage in storages.items():
                storage.fill(archive.read(record.replace("data.pkl", f"data/{key}")))
        return content
    file = io.BytesIO(Path(path).read_bytes())
    first = _load(file, storages)
    if first != _MAGIC:
        return first
    for _ in range(2):  # the protocol's version and the system's byte order
        _load(file, storages)
    content = _load(file, storages)
    for key in _load(file, storages):
        file.read(8)  # the number of values again
        storages[key].fill(file.read(storages[key].num_values * storages[key].dtype.itemsize))
    return content
