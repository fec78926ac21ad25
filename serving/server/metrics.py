"""Counts of what the server does, in Prometheus's text format, named as TensorFlow Serving's.

No library serves: prometheus-client ends counters' names with _total, TensorFlow Serving does not,
and dashboards know its names. Its parser reads these in a test.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

import bisect
import threading
from collections.abc import Callable

_REQUEST_COUNT = ":tensorflow:serving:request_count"
_REQUEST_LATENCY = ":tensorflow:serving:request_latency"
# Microseconds; TensorFlow Serving has powers of 1.8 from 10 on.
_BOUNDS_US = tuple(round(10 * 1.8**power) for power in range(33))

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Requests by model and status, their latency, and gauges read when asked."""

    def __init__(self):
        self._counts: dict[tuple[str, str], int] = {}
        self._latencies: dict[tuple[str, str], list[float]] = {}  # buckets, then the sum
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self._lock = threading.Lock()

    def add_gauge(self, name: str, description: str, read: Callable[[], float]) -> None:
        """Adds a value that is read when the metrics are asked for."""
        self._gauges[name] = (description, read)

    def count(self, model_name: str, entrypoint: str, status: str, seconds: float) -> None:
        """Notes one answered request.

        Args:
            model_name: "" where the request's model is not served: strangers invent names.
            entrypoint: "GRPC" or "REST".
            status: Name of its gRPC status code.
            seconds: From its arrival to its answer.
        """
        microseconds = 1e6 * seconds
        with self._lock:
            counted = (model_name, status)
            self._counts[counted] = self._counts.get(counted, 0) + 1
            buckets = self._latencies.setdefault(
                (model_name, entrypoint), [0.0] * (len(_BOUNDS_US) + 2)
            )
            buckets[bisect.bisect_left(_BOUNDS_US, microseconds)] += 1
            buckets[-1] += microseconds

    def text(self) -> str:
        """The exposition."""
        lines = [f"# HELP {_REQUEST_COUNT} Requests answered.", f"# TYPE {_REQUEST_COUNT} counter"]
        with self._lock:
            for (model, status), value in sorted(self._counts.items()):
                labels = f'model_name="{_escaped(model)}",status="{status}"'
                lines.append(f"{_REQUEST_COUNT}{{{labels}}} {value}")
            lines += [
                f"# HELP {_REQUEST_LATENCY} Microseconds from arrival to answer.",
                f"# TYPE {_REQUEST_LATENCY} histogram",
            ]
            for (model, entrypoint), buckets in sorted(self._latencies.items()):
                lines += _histogram_lines(model, entrypoint, buckets)
        for name, (description, read) in self._gauges.items():
            lines += [f"# HELP {name} {description}", f"# TYPE {name} gauge", f"{name} {read():g}"]
        return "\n".join(lines) + "\n"


def _histogram_lines(model: str, entrypoint: str, buckets: list[float]) -> list[str]:
    labels = f'model_name="{_escaped(model)}",API="Predict",entrypoint="{entrypoint}"'
    lines, total = [], 0.0
    for bound, in_bucket in zip((*_BOUNDS_US, "+Inf"), buckets[:-1], strict=True):
        total += in_bucket
        lines.append(f'{_REQUEST_LATENCY}_bucket{{{labels},le="{bound}"}} {total:.0f}')
    lines.append(f"{_REQUEST_LATENCY}_sum{{{labels}}} {buckets[-1]:.0f}")
    lines.append(f"{_REQUEST_LATENCY}_count{{{labels}}} {total:.0f}")
    return lines


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
