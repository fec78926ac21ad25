"""The loaded versions of the served models."""

import contextlib
import dataclasses
import gc
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2, rewriter_config_pb2
from tensorflow_serving.apis import get_model_status_pb2, model_pb2

from serving.servables.request_errors import RequestError, invalid_argument, not_found

State = get_model_status_pb2.ModelVersionStatus.State


class ServedVersion:
    """One loaded SavedModel, run as TensorFlow Serving runs it: in a session, by tensor names.

    Attributes:
        version: Its number.
        path: Its folder.
        signatures: Signature name -> tensorflow.SignatureDef, as exported.
    """

    def __init__(self, version: int, path: Path, session_config: tf.compat.v1.ConfigProto = None):
        """Loads the graph and its variables.

        Raises:
            ValueError: The folder holds no SavedModel with the tag "serve", or a damaged one.
        """
        self.version = version
        self.path = path
        self._num_users = 0
        self._changed = threading.Condition()
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=session_config)
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        except Exception as error:  # damage shows as anything, such as a KeyError in a collection
            self._session.close()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{path}: cannot load the SavedModel: {reason}") from error
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = meta_graph.signature_def

    def run(
        self,
        feeds: Mapping[str, np.ndarray],
        fetches: list[str],
        timeout_s: float | None = None,
    ) -> list[np.ndarray]:
        """Runs the part of the graph that the fetches need.

        Args:
            feeds: Tensor name ("serving_default_image_bytes:0") -> value.
            fetches: Tensor names.
            timeout_s: After so long the graph is stopped with DEADLINE_EXCEEDED.

        Returns:
            One array per fetch; strings as dtype object holding bytes.

        Raises:
            RequestError: With the graph's own status code and message.
        """
        if self._session is None:
            raise RuntimeError(f"version {self.version} is closed")
        options = None
        if timeout_s is not None:
            options = tf.compat.v1.RunOptions(timeout_in_ms=max(int(1000 * timeout_s), 1))
        try:
            values = self._session.run(fetches, feed_dict=dict(feeds), options=options)
        except tf.errors.OpError as error:
            raise RequestError.from_code_number(error.error_code, error.message) from error
        return [
            np.asarray(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)
            for value in values
        ]

    @contextlib.contextmanager
    def in_use(self) -> Iterator["ServedVersion"]:
        """Keeps the session open for a request."""
        with self._changed:
            self._num_users += 1
        try:
            yield self
        finally:
            with self._changed:
                self._num_users -= 1
                self._changed.notify_all()

    def close_when_unused(self) -> None:
        """Waits for the requests that still run in it, then frees its memory."""
        with self._changed:
            self._changed.wait_for(lambda: self._num_users == 0)
        self._session.close()
        self._session = None
        # A graph is full of cycles, and Python is slow to look for them: 150 MB a version.
        gc.collect()


def session_config(
    mixed_precision: str = "", intra_op_threads: int = 0, inter_op_threads: int = 0
) -> tf.compat.v1.ConfigProto:
    """Options of a version's session; the names are those of TensorFlow Serving's flags.

    Args:
        mixed_precision: "bfloat16" lets oneDNN compute convolutions and products in it; "" not.
        intra_op_threads: Threads of one operation, process-wide; 0 for every core.
        inter_op_threads: Operations at once, process-wide; 0 for every core.
    """
    config = tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=intra_op_threads,
        inter_op_parallelism_threads=inter_op_threads,
        allow_soft_placement=True,  # what has no kernel on a GPU runs on the CPU
    )
    # A GPU's memory is taken as it is needed: others, and the next version, need some too.
    config.gpu_options.allow_growth = True
    if mixed_precision == "bfloat16":
        rewrites = config.graph_options.rewrite_options
        rewrites.auto_mixed_precision_onednn_bfloat16 = rewriter_config_pb2.RewriterConfig.ON
    return config


@dataclasses.dataclass(frozen=True)
class VersionState:
    """What GetModelStatus says of a version; error_code is a google.rpc.Code, 0 for none."""

    state: int
    error_code: int = 0
    error_message: str = ""


class ModelStore:
    """The loaded versions of every served model. Safe to use from several threads.

    A version can leave the store while requests still run in it.
    """

    def __init__(self):
        self._versions: dict[str, dict[int, ServedVersion]] = {}
        self._states: dict[str, dict[int, VersionState]] = {}
        self._labels: dict[str, Mapping[str, int]] = {}
        self._lock = threading.Lock()

    def add(self, name: str, served: ServedVersion) -> None:
        """Makes a loaded (and warmed) version findable; a model's highest one is its default."""
        with self._lock:
            self._versions.setdefault(name, {})[served.version] = served
        self.set_state(name, served.version, VersionState(State.AVAILABLE))

    def remove(self, name: str, number: int) -> ServedVersion:
        """Takes a version out: no request finds it any more."""
        with self._lock:
            served = self._versions[name].pop(number)
        self.set_state(name, number, VersionState(State.UNLOADING))
        return served

    def set_state(self, name: str, number: int, state: VersionState) -> None:
        """Notes what is to be said of a version."""
        with self._lock:
            self._states.setdefault(name, {})[number] = state

    def set_labels(self, name: str, labels: Mapping[str, int]) -> None:
        """Replaces a model's labels; one whose version is not loaded is unknown to requests."""
        with self._lock:
            self._labels[name] = dict(labels)

    def labels(self, name: str) -> dict[str, int]:
        """A model's labels, also those whose version is not loaded."""
        with self._lock:
            return dict(self._labels.get(name, {}))

    def versions(self, name: str) -> list[int]:
        """The numbers of a model's loaded versions, ascending."""
        with self._lock:
            return sorted(self._versions.get(name, ()))

    def states(self, name: str) -> dict[int, VersionState]:
        """Every version that was ever seen of a model, ascending."""
        with self._lock:
            return dict(sorted(self._states.get(name, {}).items()))

    def models(self) -> list[str]:
        """The names of the models that have a loaded version."""
        with self._lock:
            return sorted(name for name, versions in self._versions.items() if versions)

    def number_of_label(self, name: str, label: str) -> int:
        """The loaded version that a label means.

        Raises:
            RequestError: INVALID_ARGUMENT, as TensorFlow Serving's (server_core.cc).
        """
        with self._lock:
            number = self._labels.get(name, {}).get(label)
            if number not in self._versions.get(name, {}):
                raise invalid_argument(f"Unrecognized servable version label: {label}")
            return number

    @contextlib.contextmanager
    def find(self, model_spec: model_pb2.ModelSpec) -> Iterator[ServedVersion]:
        """The version a request asks for, the highest where it names none, kept open meanwhile.

        Raises:
            RequestError: As TensorFlow Serving's (model_servers/server_core.cc): no model name, or
                an unknown label, is INVALID_ARGUMENT; an unknown model or version is NOT_FOUND.
                Version 0 given explicitly is a version like any other.
        """
        name = model_spec.name
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        number = model_spec.version.value if choice == "version" else None
        if choice == "version_label":
            number = self.number_of_label(name, model_spec.version_label)
        with self._lock, contextlib.ExitStack() as stack:
            versions = self._versions.get(name, {})
            wanted = f"Latest({name})" if number is None else f"Specific({name}, {number})"
            if number is None and versions:
                number = max(versions)
            served = None if number is None else versions.get(number)
            if served is None:
                raise not_found(f"Servable not found for request: {wanted}")
            stack.enter_context(served.in_use())  # before the lock is free: see remove
            release = stack.pop_all()
        with release:
            yield served
