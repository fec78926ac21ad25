"""Asks a server what is in photos; needs no TensorFlow (serving/requirements-client.txt).

from serving.client import SegmentationClient
"""

from serving.client.connection import (
    DeadlineExceededError,
    ImageError,
    ModelNotFoundError,
    RequestRefusedError,
    ServerBusyError,
    ServerUnreachableError,
    ServingError,
    Tls,
)
from serving.client.segmentation_client import AsyncSegmentationClient, SegmentationClient

__all__ = [
    "AsyncSegmentationClient",
    "DeadlineExceededError",
    "ImageError",
    "ModelNotFoundError",
    "RequestRefusedError",
    "SegmentationClient",
    "ServerBusyError",
    "ServerUnreachableError",
    "ServingError",
    "Tls",
]
