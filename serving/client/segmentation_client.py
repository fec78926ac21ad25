"""Finds garments in photos through a server, without TensorFlow; blocking or in asyncio."""

from collections.abc import Sequence

import numpy as np

from serving.client.connection import (
    AsyncConnection,
    Connection,
    ImageError,
    Patience,
    RequestRefusedError,
    Tls,
)
from serving.protocol import tf_serving_pb2
from serving.protocol.tensors import array_from_tensor, set_tensor
from tfseg.structures.detections import Detections, detections_from_outputs

_PREDICT = "/tensorflow.serving.PredictionService/Predict"
_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"


class _Calls:
    """Requests to one model, and what their answers mean; sends nothing itself."""

    def __init__(self, model_name: str, version: int | None, label: str | None, signature: str):
        self._spec = tf_serving_pb2.ModelSpec(name=model_name, signature_name=signature)
        if version is not None and label is not None:
            raise ValueError("give a version or a label, not both.")
        if version is not None:
            self._spec.version.value = version
        if label is not None:
            self._spec.version_label = label

    def request(
        self, images: Sequence[bytes], score_threshold: float | None
    ) -> tf_serving_pb2.PredictRequest:
        """A PredictRequest for encoded images."""
        batch = np.empty(len(images), dtype=object)
        batch[:] = images
        request = tf_serving_pb2.PredictRequest(model_spec=self._spec)
        set_tensor(request.inputs["image_bytes"], batch)
        if score_threshold is not None:
            request.model_spec.signature_name = "with_score_threshold"
            thresholds = np.full(len(images), score_threshold, np.float32)
            set_tensor(request.inputs["score_threshold"], thresholds)
        return request

    def detections(
        self, response: tf_serving_pb2.PredictResponse, num_images: int, server: str
    ) -> list[Detections | ImageError]:
        """Reads a PredictResponse; RequestRefusedError where the model is of another kind."""
        try:
            outputs = {name: array_from_tensor(t) for name, t in response.outputs.items()}
            accepted, reasons = outputs["ok"], outputs["error"]
            return [
                detections_from_outputs(outputs, index)
                if accepted[index]
                else ImageError(reasons[index].decode("utf-8", "replace"))
                for index in range(num_images)
            ]
        except (KeyError, IndexError, ValueError) as error:
            raise RequestRefusedError(
                f"{server}: model {self._spec.name} does not answer like a tfseg export (outputs "
                f"{sorted(response.outputs)}): {error!r}"
            ) from error

    def status_request(self) -> tf_serving_pb2.GetModelStatusRequest:
        """A GetModelStatusRequest for all versions of the model."""
        request = tf_serving_pb2.GetModelStatusRequest()
        request.model_spec.name = self._spec.name
        return request

    @staticmethod
    def available(response: tf_serving_pb2.GetModelStatusResponse) -> list[int]:
        """The versions of a GetModelStatusResponse that answer requests, ascending."""
        available = tf_serving_pb2.ModelVersionStatus.AVAILABLE
        return sorted(s.version for s in response.model_version_status if s.state == available)


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
        label: str | None = None,
        signature_name: str = "serving_default",
        deadline_s: float = 60.0,
        connect_timeout_s: float = 20.0,
        tls: Tls | None = None,
    ):
        """Opens a channel; nothing is sent yet.

        Args:
            server: "host:port".
            model_name: As the server was given it.
            version: None for the highest version the server has.
            label: Such as "stable", in place of a version.
            signature_name: Of the exported model.
            deadline_s: Seconds a call may take, waiting for the server included.
            connect_timeout_s: Seconds for which a server that does not answer, or is busy, is
                tried again.
            tls: Speak TLS; None speaks plain text.

        Raises:
            ValueError: Both version and label are given, or a TLS file is unusable.
        """
        self._calls = _Calls(model_name, version, label, signature_name)
        self._connection = Connection(server, Patience(deadline_s, connect_timeout_s), tls)

    def __enter__(self) -> "SegmentationClient":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Ends the channel."""
        self._connection.close()

    def detect(
        self, images: Sequence[bytes], score_threshold: float | None = None
    ) -> list[Detections | ImageError]:
        """Sends encoded images in one request.

        Args:
            images: Whole files (JPEG, PNG, ...), sizes may differ.
            score_threshold: 0..1, in place of the thresholds that the model was exported with.

        Returns:
            In the same order: the image's detections, scores descending, in pixels of the image
            after its EXIF orientation; or an ImageError with the reason where it was unusable.

        Raises:
            ServingError: No answer at all; see serving.client.connection for the kinds.
        """
        if not images:
            return []
        request = self._calls.request(images, score_threshold)
        response = self._connection.call(_PREDICT, request, tf_serving_pb2.PredictResponse)
        return self._calls.detections(response, len(images), self._connection.server)

    def available_versions(self) -> list[int]:
        """The model's versions that the server would answer with, ascending.

        Raises:
            ServingError: No answer; ModelNotFoundError where the model is not known.
        """
        response = self._connection.call(
            _STATUS, self._calls.status_request(), tf_serving_pb2.GetModelStatusResponse
        )
        return self._calls.available(response)


class AsyncSegmentationClient:
    """SegmentationClient for asyncio.

    async with AsyncSegmentationClient("localhost:8500", "fashion") as client:
        answers = await asyncio.gather(*(client.detect([photo]) for photo in photos))
    """

    def __init__(
        self,
        server: str,
        model_name: str,
        *,
        version: int | None = None,
        label: str | None = None,
        signature_name: str = "serving_default",
        deadline_s: float = 60.0,
        connect_timeout_s: float = 20.0,
        tls: Tls | None = None,
    ):
        """Opens a channel of the running loop; arguments and errors as SegmentationClient's."""
        self._calls = _Calls(model_name, version, label, signature_name)
        self._connection = AsyncConnection(server, Patience(deadline_s, connect_timeout_s), tls)

    async def __aenter__(self) -> "AsyncSegmentationClient":
        return self

    async def __aexit__(self, *_) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends the channel."""
        await self._connection.close()

    async def detect(
        self, images: Sequence[bytes], score_threshold: float | None = None
    ) -> list[Detections | ImageError]:
        """As SegmentationClient.detect."""
        if not images:
            return []
        request = self._calls.request(images, score_threshold)
        response = await self._connection.call(_PREDICT, request, tf_serving_pb2.PredictResponse)
        return self._calls.detections(response, len(images), self._connection.server)

    async def available_versions(self) -> list[int]:
        """As SegmentationClient.available_versions."""
        response = await self._connection.call(
            _STATUS, self._calls.status_request(), tf_serving_pb2.GetModelStatusResponse
        )
        return self._calls.available(response)
