"""The loaded versions of one model."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import model_pb2

from serving.request_errors import RequestError, invalid_argument, not_found


class ServedVersion:
    """One loaded SavedModel, run as TensorFlow Serving runs it: in a session, by tensor names.

    Attributes:
        version: Its number.
        signatures: Signature name -> tensorflow.SignatureDef, as exported.
    """

    def __init__(self, version: int, path: Path):
        """Loads the graph and its variables.

        Raises:
            ValueError: The folder holds no SavedModel with the tag "serve", or a damaged one.
        """
        self.version = version
        self.path = path
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        try:
            with self._session.graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, ["serve"], str(path))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            self._session.close()
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: cannot load the SavedModel: {reason}") from error
        self.signatures: Mapping[str, meta_graph_pb2.SignatureDef] = meta_graph.signature_def

    def run(self, feeds: Mapping[str, np.ndarray], fetches: list[str]) -> list[np.ndarray]:
        """Runs the part of the graph that the fetches need.

        Args:
            feeds: Tensor name ("serving_default_image_bytes:0") -> value.
            fetches: Tensor names.

        Returns:
            One array per fetch; strings as dtype object holding bytes.

        Raises:
            RequestError: With the graph's own status code and message.
        """
        try:
            values = self._session.run(fetches, feed_dict=dict(feeds))
        except tf.errors.OpError as error:
            raise RequestError.from_code_number(error.error_code, error.message) from error
        return [
            np.asarray(value, dtype=object) if isinstance(value, bytes) else np.asarray(value)
            for value in values
        ]


class ModelStore:
    """The loaded versions of one model. Safe to use from several threads.

    A request keeps the ServedVersion it found alive, so that a version can leave the store while
    requests still run in it; its session closes with the last reference.
    """

    def __init__(self, model_name: str):
        self.model_name = model_name
        self._versions: dict[int, ServedVersion] = {}
        self._lock = threading.Lock()

    def add(self, served: ServedVersion) -> None:
        """Makes a loaded (and warmed) version findable; the highest one is the default."""
        with self._lock:
            self._versions[served.version] = served

    def versions(self) -> list[int]:
        """The numbers of the loaded versions, ascending."""
        with self._lock:
            return sorted(self._versions)

    def find(self, model_spec: model_pb2.ModelSpec) -> ServedVersion:
        """The version a request asks for; the highest where it names none.

        Raises:
            RequestError: As TensorFlow Serving's (model_servers/server_core.cc): no model name, or
                a label, is INVALID_ARGUMENT; an unknown model or version is NOT_FOUND. Version 0
                given explicitly is a version like any other.
        """
        name = model_spec.name
        if not name:
            raise invalid_argument("ModelSpec has no name specified.")
        choice = model_spec.WhichOneof("version_choice")
        if choice == "version_label":
            raise invalid_argument(
                f"Unrecognized servable version label: {model_spec.version_label}"
            )
        with self._lock:
            if choice == "version":
                number = model_spec.version.value
                wanted = f"Specific({name}, {number})"
            else:
                number = max(self._versions, default=None)
                wanted = f"Latest({name})"
            served = self._versions.get(number) if name == self.model_name else None
        if served is None:
            raise not_found(f"Servable not found for request: {wanted}")
        return served
