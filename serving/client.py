"""Sends photos to a server and writes what it found.

    python -m serving.client --server=localhost:8500 --model_name=fashion --output_dir=OUT photo.jpg

Writes OUT/<photo>.jpg (masks, boxes, names, scores drawn) and OUT/detections.json (COCO results in
the photos' own pixels). Works with serving.server and with TensorFlow Serving; imports no
TensorFlow.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from serving import tf_serving_pb2
from serving.connection import Connection, ImageError, RequestRefusedError, ServingError
from serving.photo_run import PhotoRun
from serving.photos import find_photos
from serving.tensors import array_from_tensor, set_tensor
from tfseg.detections import Detections, detections_from_outputs

FLAGS = flags.FLAGS


class SegmentationClient:
    """Finds garments in photos through a server.

    with SegmentationClient("localhost:8500", "fashion") as client:
        [detections] = client.detect([Path("photo.jpg").read_bytes()])

    Safe to use from several threads.
    """

    def __init__(
        self,
        server: str,
        model_name: str,
        *,
        version: int | None = None,
        signature_name: str = "serving_default",
        deadline_s: float = 60.0,
        connect_timeout_s: float = 20.0,
    ):
        """Opens a channel; nothing is sent yet.

        Args:
            server: "host:port".
            model_name: As the server was given it.
            version: None for the highest version the server has.
            signature_name: Of the exported model.
            deadline_s: Seconds a call may take, waiting for the server included.
            connect_timeout_s: Seconds for which a server that does not answer is tried again.
        """
        self._connection = Connection(server, deadline_s, connect_timeout_s)
        self._model_spec = tf_serving_pb2.ModelSpec(name=model_name, signature_name=signature_name)
        if version is not None:
            self._model_spec.version.value = version

    def __enter__(self) -> "SegmentationClient":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends the channel."""
        self._connection.close()

    def detect(self, images: Sequence[bytes]) -> list[Detections | ImageError]:
        """Sends encoded images in one request.

        Args:
            images: Whole files (JPEG, PNG, ...), sizes may differ.

        Returns:
            In the same order: the image's detections, scores descending, in pixels of the image
            after its EXIF orientation; or an ImageError with the reason where it was unusable.

        Raises:
            ServingError: No answer at all; see serving.connection for the kinds.
        """
        if not images:
            return []
        batch = np.empty(len(images), dtype=object)
        batch[:] = images
        request = tf_serving_pb2.PredictRequest(model_spec=self._model_spec)
        set_tensor(request.inputs["image_bytes"], batch)
        response = self._connection.call(
            "/tensorflow.serving.PredictionService/Predict", request, tf_serving_pb2.PredictResponse
        )
        try:
            outputs = {name: array_from_tensor(t) for name, t in response.outputs.items()}
            accepted, reasons = outputs["ok"], outputs["error"]
            return [
                detections_from_outputs(outputs, index)
                if accepted[index]
                else ImageError(reasons[index].decode("utf-8", "replace"))
                for index in range(len(images))
            ]
        except (KeyError, IndexError, ValueError) as error:
            raise RequestRefusedError(
                f"{self._connection.server}: model {self._model_spec.name} does not answer like a "
                f"tfseg export (outputs {sorted(response.outputs)}): {error!r}"
            ) from error

    def available_versions(self) -> list[int]:
        """The model's versions that the server would answer with, ascending.

        Raises:
            ServingError: No answer; ModelNotFoundError where the model is not known.
        """
        request = tf_serving_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model_spec.name
        response = self._connection.call(
            "/tensorflow.serving.ModelService/GetModelStatus",
            request,
            tf_serving_pb2.GetModelStatusResponse,
        )
        available = tf_serving_pb2.ModelVersionStatus.AVAILABLE
        return sorted(s.version for s in response.model_version_status if s.state == available)


def _define_flags() -> None:
    """Not at import: a program with flags of its own must be able to import SegmentationClient."""
    flags.DEFINE_string("server", "localhost:8500", "host:port of the server.")
    flags.DEFINE_string("model_name", "fashion", "The model's name on the server.")
    flags.DEFINE_string("output_dir", None, "Folder for overlays and detections.json.")
    flags.DEFINE_float("score_threshold", 0.5, "Leave out detections below it.", 0.0, 1.0)
    flags.DEFINE_float("deadline_s", 60.0, "Seconds a request may take.", 0.001)
    flags.DEFINE_float("connect_timeout_s", 20.0, "Seconds to wait for a server.", 0.0)
    flags.DEFINE_integer("batch_size", 1, "Photos per request.", 1)
    flags.mark_flag_as_required("output_dir")


def main(argv: list[str]) -> None:
    """Sends the photos named on the command line; exit code 1 where one of them failed."""
    if len(argv) < 2:
        sys.exit("error: no photos; give files or folders after the flags.")
    try:
        photos = find_photos([Path(argument) for argument in argv[1:]])
        with SegmentationClient(
            FLAGS.server,
            FLAGS.model_name,
            deadline_s=FLAGS.deadline_s,
            connect_timeout_s=FLAGS.connect_timeout_s,
        ) as client:
            run = PhotoRun(client.detect, Path(FLAGS.output_dir), FLAGS.score_threshold)
            run.detect_and_write(photos, FLAGS.batch_size)
    except (ServingError, ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if run.num_errors:
        sys.exit(1)


if __name__ == "__main__":
    _define_flags()
    app.run(main)
