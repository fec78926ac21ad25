"""Clients that would hold a server for themselves, and how long others wait meanwhile."""

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator

import cv2
import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.client import SegmentationClient
from tests.serving.malformed_requests import PREDICT

_NUM_IDLE = 300
_NUM_CANCELLED = 200
_NUM_BOMBS = 16


def progressive_bomb(photo: bytes, num_scans: int = 1500) -> bytes:
    """A progressive JPEG of the photo with scans that add nothing; a decoder runs through each."""
    pixels = cv2.resize(
        cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR), (3000, 3000)
    )
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    # One component, the lowest bit of no coefficient (ITU-T T.81, B.2.3).
    empty_scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 1, 0)
    return encoded[:-2] + empty_scan * num_scans + encoded[-2:]


def hidden_size(photo: bytes) -> bytes:
    """A JPEG of 400 million pixels whose comment holds the frame header of a small one."""
    encoded = bytearray(cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes())
    frame = encoded.index(b"\xff\xc0")
    encoded[frame + 5 : frame + 9] = struct.pack(">HH", 20_000, 20_000)
    small = b"\xff\xc0" + struct.pack(">HBHHB", 17, 8, 8, 8, 3) + bytes(9)
    comment = b"\xff\xfe" + struct.pack(">H", len(small) + 2) + small
    return bytes(encoded[:2] + b"\xff" * 3000 + comment + encoded[2:])


def _request(photo: bytes) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "fashion"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto([photo]))
    return request.SerializeToString()


@contextlib.contextmanager
def _without_a_deadline(address: str, rest_port: int, photo: bytes) -> Iterator[None]:
    with grpc.insecure_channel(address) as channel:
        channel.unary_unary(PREDICT)(_request(photo))
        yield


@contextlib.contextmanager
def _cancelled(address: str, rest_port: int, photo: bytes) -> Iterator[None]:
    with grpc.insecure_channel(address) as channel:
        call, payload = channel.unary_unary(PREDICT), _request(photo)
        calls = [call.future(payload) for _ in range(_NUM_CANCELLED)]
        time.sleep(0.2)
        for one in calls:
            one.cancel()
        yield


@contextlib.contextmanager
def _bombs(make: Callable[[bytes], bytes], address: str, photo: bytes) -> Iterator[None]:
    with grpc.insecure_channel(address) as channel:
        call, payload = channel.unary_unary(PREDICT), _request(make(photo))
        calls = [call.future(payload, timeout=60) for _ in range(_NUM_BOMBS)]
        yield
        for one in calls:
            assert one.code() == grpc.StatusCode.OK, one.details()


@contextlib.contextmanager
def _scan_bomb(address: str, rest_port: int, photo: bytes) -> Iterator[None]:
    with _bombs(progressive_bomb, address, photo):
        yield


@contextlib.contextmanager
def _header_trick(address: str, rest_port: int, photo: bytes) -> Iterator[None]:
    with _bombs(hidden_size, address, photo):
        yield


@contextlib.contextmanager
def _idle_connections(address: str, rest_port: int, photo: bytes) -> Iterator[None]:
    """Half of them on each port; half of those stop in the middle of a request."""
    host, _, port = address.rpartition(":")
    with contextlib.ExitStack() as stack:
        for number in range(_NUM_IDLE):
            to = rest_port if number % 2 else int(port)
            connection = stack.enter_context(socket.create_connection((host, to)))
            if number % 4 == 3:
                connection.sendall(
                    b"POST /v1/models/fashion:predict HTTP/1.1\r\nContent-Length: 9\r\n"
                )
        yield


RUDE = {
    "no deadline": _without_a_deadline,
    "200 cancelled": _cancelled,
    "16 scan bombs": _scan_bomb,
    "16 hidden sizes": _header_trick,
    "300 idle connections": _idle_connections,
}


def wait_of_others(address: str, rest_port: int, photo: bytes, how: str) -> float:
    """Seconds until a good request of gRPC and one of REST are answered beside rude clients.

    Args:
        address: host:port of gRPC.
        rest_port: of the same host.
        photo: A good photo.
        how: One of RUDE.

    Raises:
        AssertionError: A rude client, or a good one, got another answer than the proper one.
    """
    host = address.rpartition(":")[0]
    with (
        # The queue may be full in the moment in which 200 are cancelled: a client tries again.
        SegmentationClient(address, "fashion", connect_timeout_s=10, deadline_s=120) as client,
        RUDE[how](address, rest_port, photo),
    ):
        start = time.monotonic()
        [found] = client.detect([photo])
        assert len(found.image_size_hw) == 2
        with socket.create_connection((host, rest_port), timeout=30) as connection:
            asked = f"GET /v1/models/fashion HTTP/1.1\r\nHost: {host}:{rest_port}\r\n\r\n"
            connection.sendall(asked.encode())
            assert b"AVAILABLE" in _all_of(connection)
        return time.monotonic() - start


def _all_of(connection: socket.socket) -> bytes:
    received = b""
    while b"AVAILABLE" not in received and (more := connection.recv(4096)):
        received += more
    return received
