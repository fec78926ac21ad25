"""Loads a SavedModel through TensorFlow's C API and runs it, without importing TensorFlow.

    python -m tests.tfseg.c_api_detect VERSION_DIR PHOTO_DIR '{"image_bytes": "a:0", ...}'

Takes the tensors' names from the third argument. Prints json: num_detections, boxes_yxyx and
mask_rle of the folder's photos, all flattened. This is the load path of TensorFlow Serving: a
session of the graph with the tag `serve`.
"""

import ctypes
import importlib.util
import json
import sys
from pathlib import Path

_FLOAT, _INT32, _STRING = 1, 3, 7
_TSTRING_BYTES = 24
_VOID = ctypes.c_void_p


class _Output(ctypes.Structure):
    _fields_ = [("operation", _VOID), ("index", ctypes.c_int)]


def load_library():
    """Opens pip's libtensorflow_cc, which exports the C API."""
    package = Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])
    for name in ("libtensorflow_framework.so.2", "libtensorflow_cc.so.2"):
        library = ctypes.CDLL(str(package / name), mode=ctypes.RTLD_GLOBAL)
    for name in (
        "TF_NewStatus", "TF_NewGraph", "TF_NewSessionOptions", "TF_LoadSessionFromSavedModel",
        "TF_GraphOperationByName", "TF_AllocateTensor", "TF_TensorData", "TF_StringGetDataPointer",
    ):  # fmt: skip
        getattr(library, name).restype = _VOID
    library.TF_Message.restype = ctypes.c_char_p
    library.TF_TensorByteSize.restype = library.TF_StringGetSize.restype = ctypes.c_size_t
    library.TF_TensorElementCount.restype = ctypes.c_int64
    return library


class Session:
    """One loaded SavedModel."""

    def __init__(self, version_dir: str):
        self.tf = load_library()
        self.status = _VOID(self.tf.TF_NewStatus())
        self.graph = _VOID(self.tf.TF_NewGraph())
        tags = (ctypes.c_char_p * 1)(b"serve")
        options = _VOID(self.tf.TF_NewSessionOptions())
        self.session = _VOID(
            self.tf.TF_LoadSessionFromSavedModel(
                options, None, version_dir.encode(), tags, 1, self.graph, None, self.status
            )
        )
        self._check()

    def _check(self):
        if self.tf.TF_GetCode(self.status):
            sys.exit(self.tf.TF_Message(self.status).decode())

    def _output(self, tensor_name: str) -> _Output:
        name, index = tensor_name.split(":")
        operation = self.tf.TF_GraphOperationByName(self.graph, name.encode())
        assert operation, tensor_name
        return _Output(operation, int(index))

    def run(self, input_name: str, values: list[bytes], output_names: list[str]) -> list[list]:
        """Feeds string [len(values)]; returns each output's values, flattened."""
        sizes = (ctypes.c_int64 * 1)(len(values))
        tensor = _VOID(
            self.tf.TF_AllocateTensor(
                _STRING, sizes, 1, ctypes.c_size_t(_TSTRING_BYTES * len(values))
            )
        )
        start = self.tf.TF_TensorData(tensor)
        for index, value in enumerate(values):
            item = _VOID(start + _TSTRING_BYTES * index)
            self.tf.TF_StringInit(item)
            self.tf.TF_StringCopy(item, value, ctypes.c_size_t(len(value)))
        num_outputs = len(output_names)
        outputs = (_Output * num_outputs)(*map(self._output, output_names))
        results = (_VOID * num_outputs)()
        self.tf.TF_SessionRun(
            self.session, None, (_Output * 1)(self._output(input_name)), (_VOID * 1)(tensor), 1,
            outputs, results, num_outputs, None, 0, None, self.status,
        )  # fmt: skip
        self._check()
        return [self._values(_VOID(result)) for result in results]

    def _values(self, tensor) -> list:
        count = self.tf.TF_TensorElementCount(tensor)
        start = self.tf.TF_TensorData(tensor)
        kind = self.tf.TF_TensorType(tensor)
        if kind != _STRING:
            number = {_FLOAT: ctypes.c_float, _INT32: ctypes.c_int32}[kind]
            return list((number * count).from_address(start)) if count else []
        texts = []
        for index in range(count):
            item = _VOID(start + _TSTRING_BYTES * index)
            data, size = self.tf.TF_StringGetDataPointer(item), self.tf.TF_StringGetSize(item)
            texts.append(ctypes.string_at(data, size).decode())
        return texts


def main() -> None:
    """Runs the graph on every file of a folder."""
    version_dir, photo_dir, names = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    photos = [path.read_bytes() for path in sorted(Path(photo_dir).iterdir())]
    fetched = ("num_detections", "boxes_yxyx", "mask_rle")
    session = Session(version_dir)
    values = session.run(names["image_bytes"], photos, [names[name] for name in fetched])
    print(json.dumps(dict(zip(fetched, values, strict=True))))


if __name__ == "__main__":
    main()
