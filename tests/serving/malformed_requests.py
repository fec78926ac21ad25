"""Requests that no client should send, and the status that each must get."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

PREDICT = "/tensorflow.serving.PredictionService/Predict"
HUNDRED_MB = 100 * 2**20


class Malformed(NamedTuple):
    """One request: its bytes, and the names of the status codes that are proper answers."""

    kind: str
    payload: bytes
    codes: tuple[str, ...]


def _request(
    value=None, *, model="fashion", name="image_bytes", **fields
) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest(**fields)
    request.model_spec.name = model
    if value is not None:
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _png_bomb(side: int) -> bytes:
    """A PNG of side x side pixels in a few kilobytes: its rows are zeros."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    deflate = zlib.compressobj(9)
    row = bytes(side // 8 + 1)
    rows = b"".join(deflate.compress(row) for _ in range(side)) + deflate.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


def make_malformed(
    count: int, seed: int, photo: bytes, with_huge: bool, with_bombs: bool
) -> Iterator[Malformed]:
    """Yields requests of every kind in turn.

    Args:
        count: How many.
        seed: Of the random bytes and cuts.
        photo: A good photo's bytes, to be damaged.
        with_huge: Also send 100 MB messages, one in 50.
        with_bombs: Also send a small PNG of 400 million pixels.
    """
    rng = np.random.default_rng(seed)
    bomb = _png_bomb(20_000) if with_bombs else b""
    # A damaged photo is answered; that its answer says ok = false is tested elsewhere.
    answered, invalid = ("OK",), ("INVALID_ARGUMENT",)

    def unknown_version():
        request = _request([photo])
        request.model_spec.version.value = 77
        return request

    def random_tensor():
        request = _request([photo])
        request.inputs["image_bytes"].tensor_shape.dim[0].size = int(rng.integers(2, 2**62))
        return request

    kinds = {
        "random message": (lambda: rng.bytes(int(rng.integers(1, 5000))), ("INTERNAL", *invalid)),
        "random photo": (lambda: _request([rng.bytes(int(rng.integers(1, 5000)))]), answered),
        "truncated photo": (
            lambda: _request([photo[: int(rng.integers(1, len(photo)))]]),
            answered,
        ),
        "bombed photo": (lambda: _request([bomb]), answered),
        "wrong dtype": (lambda: _request([1.5]), invalid),
        "wrong shape": (lambda: _request([[photo]]), invalid),
        "scalar": (lambda: _request(photo), invalid),
        "random shape": (random_tensor, invalid),
        "unknown model": (lambda: _request([photo], model="../../etc"), ("NOT_FOUND",)),
        "unknown version": (unknown_version, ("NOT_FOUND",)),
        "unknown input": (lambda: _request([photo], name="x"), invalid),
        "unknown output": (lambda: _request([photo], output_filter=["x"]), invalid),
        "no input": (lambda: _request(), invalid),
        "empty message": (lambda: b"", invalid),
    }
    names = list(kinds)
    for number in range(count):
        if with_huge and number % 50 == 49:
            yield Malformed(
                "100 MB", _request([bytes(HUNDRED_MB)]).SerializeToString(), ("RESOURCE_EXHAUSTED",)
            )
            continue
        name = names[number % len(names)]
        make, codes = kinds[name]
        made = make()
        payload = made if isinstance(made, bytes) else made.SerializeToString()
        yield Malformed(name, payload, codes)


def send(channel: grpc.Channel, payload: bytes) -> str:
    """Sends a raw payload to Predict; returns the name of the status code."""
    try:
        channel.unary_unary(PREDICT)(payload, timeout=120)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"
