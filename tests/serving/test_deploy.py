"""The files of serving/deploy, read by real parsers; no Docker engine or cluster runs them here."""

import re
import shutil
import subprocess

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from serving.servables.model_config import read_model_config_file
from tests.serving.server_process import REPOSITORY

DEPLOY = REPOSITORY / "serving/deploy"

# The messages of these files are not in tensorflow-serving-api's wheel: their fields, from
# tensorflow_serving/config/{monitoring_config,ssl_config}.proto and
# servables/tensorflow/session_bundle_config.proto.
_INT64, _BOOL, _STRING, _MESSAGE = 3, 8, 9, 11
_MESSAGES = {
    "Int64Value": [("value", 1, _INT64, "")],
    "BatchingParameters": [
        ("max_batch_size", 1, _MESSAGE, "Int64Value"),
        ("batch_timeout_micros", 2, _MESSAGE, "Int64Value"),
        ("num_batch_threads", 3, _MESSAGE, "Int64Value"),
        ("max_enqueued_batches", 4, _MESSAGE, "Int64Value"),
    ],
    "PrometheusConfig": [("enable", 1, _BOOL, ""), ("path", 2, _STRING, "")],
    "MonitoringConfig": [("prometheus_config", 1, _MESSAGE, "PrometheusConfig")],
    "SSLConfig": [
        ("server_key", 1, _STRING, ""),
        ("server_cert", 2, _STRING, ""),
        ("custom_ca", 3, _STRING, ""),
        ("client_verify", 4, _BOOL, ""),
    ],
}


def _parse(path, message_name):
    file = descriptor_pb2.FileDescriptorProto(name="d.proto", package="d", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            made = message.field.add(name=field, number=number, type=kind, label=1)
            if of:
                made.type_name = f".d.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    message_type = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"d.{message_name}"))
    return text_format.Parse(path.read_text(), message_type())


class _ComposeLoader(yaml.SafeLoader):
    """Knows Compose's own tags, and keeps what stands behind them."""


for _tag in ("!reset", "!override"):
    _ComposeLoader.add_constructor(_tag, lambda loader, node: loader.construct_sequence(node))


def _compose(name):
    return yaml.load((DEPLOY / name).read_text(), _ComposeLoader)


def test_models_config():
    [model] = read_model_config_file(DEPLOY / "models.config")

    assert (model.name, str(model.base_path)) == ("fashion", "/models/fashion")
    assert model.num_latest == 2


def test_models_config_with_its_labels_switched_on(tmp_path):
    text = (DEPLOY / "models.config").read_text().replace("# version_labels", "version_labels")
    (tmp_path / "models.config").write_text(text)

    [model] = read_model_config_file(tmp_path / "models.config")

    assert model.labels == {"stable": 1, "canary": 2}


def test_batching_and_monitoring_config():
    batching = _parse(DEPLOY / "batching.config", "BatchingParameters")
    monitoring = _parse(DEPLOY / "monitoring.config", "MonitoringConfig")

    assert batching.max_batch_size.value == 8
    assert monitoring.prometheus_config.enable
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"


def test_make_certificates_writes_tensorflow_servings_ssl_config(tmp_path):
    script = DEPLOY / "make_certificates.sh"
    subprocess.run([script, tmp_path, "serving.example.org", "10.0.0.1"], check=True)

    config = _parse(tmp_path / "ssl.config", "SSLConfig")

    assert config.client_verify
    assert config.server_key == (tmp_path / "server.key").read_text()
    assert config.server_cert == (tmp_path / "server.crt").read_text()
    assert config.custom_ca == (tmp_path / "ca.crt").read_text()
    assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("*.key")} == {0}


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.tls.yml"])
def test_compose_names_files_that_are_there(name):
    for service in _compose(name)["services"].values():
        flags = dict(flag[2:].split("=", 1) for flag in service["command"])
        mounted = dict(volume.split(":")[-3:-1] for volume in service["volumes"][-3:])
        inside = {target: source for source, target in mounted.items()}
        for flag, path in flags.items():
            if path.startswith("/config/") and flag in (
                "ssl_config_file",
                "batching_parameters_file",
            ):
                assert inside[path].startswith("./")
        for source, _ in (v.rsplit(":", 2)[:2] for v in service["volumes"] if v.startswith("./")):
            assert source == "./certificates/ssl.config" or (DEPLOY / source).is_file()
        assert flags["port"] == "8500"
        assert flags["monitoring_config_file"] == "/config/monitoring.config"


def test_compose_scaled_hides_the_replicas_behind_the_balancer():
    services = _compose("docker-compose.scaled.yml")["services"]

    assert services["serving"]["ports"] == []
    assert services["balancer"]["ports"][0].endswith(":8500:8500")
    for service in services.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (DEPLOY / source).is_file()


def test_haproxy_reads_its_configuration():
    haproxy = shutil.which("haproxy") or "/usr/sbin/haproxy"
    if not shutil.which(haproxy):
        pytest.skip("no haproxy; apt-get install haproxy")

    checked = subprocess.run(
        [haproxy, "-c", "-f", DEPLOY / "haproxy.cfg"], capture_output=True, text=True
    )

    assert checked.returncode == 0, checked.stderr


def test_kubernetes_manifest_follows_the_schema():
    validate = pytest.importorskip("kubernetes_validate")
    text = (DEPLOY / "kubernetes.yaml").read_text()
    resources = list(yaml.safe_load_all(text))

    for resource in resources:
        validate.validate(resource, "1.31", strict=True)

    kinds = {resource["kind"]: resource for resource in resources}
    assert set(kinds) == {
        "ConfigMap",
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
    }
    [container] = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for port in kinds["Service"]["spec"]["ports"]} == ports
    assert kinds["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "fashion-serving"
    config = kinds["ConfigMap"]["data"]["models.config"]
    assert re.search(r'name: "fashion"', config)


def test_prometheus_asks_where_the_server_tells():
    [job] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]

    assert job["metrics_path"] == "/monitoring/prometheus/metrics"
    assert job["dns_sd_configs"][0]["port"] == 8501


def test_compose_tls_runs_as_the_owner_of_the_certificates():
    text = (DEPLOY / "docker-compose.tls.yml").read_text()

    assert 'user: "${SERVING_USER:-1000:1000}"' in text
