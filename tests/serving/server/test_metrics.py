import pytest

from serving.server.metrics import Metrics


def test_text_is_read_by_prometheus_own_parser():
    parser = pytest.importorskip("prometheus_client.parser")
    metrics = Metrics()
    metrics.count("fashion", "GRPC", "OK", 0.0005)
    metrics.count("fashion", "GRPC", "OK", 2.0)
    metrics.count('odd"\\\nname', "REST", "NOT_FOUND", 1e9)
    metrics.add_gauge("queue", "Waiting requests.", lambda: 3)

    samples = [
        (sample.name, sample.labels, sample.value)
        for family in parser.text_string_to_metric_families(metrics.text())
        for sample in family.samples
    ]

    count = ":tensorflow:serving:request_count_total"  # the parser adds _total
    assert (count, {"model_name": "fashion", "status": "OK"}, 2) in samples
    assert (count, {"model_name": 'odd"\\\nname', "status": "NOT_FOUND"}, 1) in samples
    assert ("queue", {}, 3) in samples
    latency = {"model_name": "fashion", "API": "Predict", "entrypoint": "GRPC"}
    name = ":tensorflow:serving:request_latency"
    assert (f"{name}_count", latency, 2) in samples
    assert (f"{name}_sum", latency, 2000500) in samples
    buckets = {labels["le"]: v for n, labels, v in samples if latency.items() < labels.items()}
    assert buckets["10"] == 0
    assert buckets["+Inf"] == 2
    assert sorted(set(buckets.values())) == [0, 1, 2]
