import json

import pytest

from tfseg.io import cpu_precision


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFSEG_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "cpu_precision.json"


@pytest.mark.parametrize("kind", cpu_precision.KINDS)
def test_it_is_measured_once_and_kept(cache, monkeypatch, capsys, kind):
    first = cpu_precision.gains_by_bfloat16(kind)

    (ratio,) = json.loads(cache.read_text()).values()
    assert 0.05 < ratio < 50 and first == (ratio > 1.05)
    told = capsys.readouterr().err
    assert told.startswith(f"{kind} in {'bfloat16' if first else 'float32'}: bfloat16 takes ")

    monkeypatch.setattr(cpu_precision, "_measured_apart", lambda kind: pytest.fail("again"))
    assert cpu_precision.gains_by_bfloat16(kind) == first


@pytest.mark.parametrize(
    ("ratio", "gains"), [(2.0, True), (1.04, False), (0.6, False), (None, False)]
)
def test_the_faster_format_is_chosen(monkeypatch, ratio, gains):
    monkeypatch.setattr(cpu_precision, "_measured_apart", lambda kind: ratio)
    assert cpu_precision.gains_by_bfloat16(cpu_precision.TRAINING, tell=False) == gains


@pytest.mark.parametrize("damaged", ["", "[1]", "{", '{"x": "y"}'])
def test_a_damaged_cache_is_measured_anew(cache, monkeypatch, damaged):
    cache.parent.mkdir()
    cache.write_text(damaged)
    monkeypatch.setattr(cpu_precision, "_measured_apart", lambda kind: 3.0)
    assert cpu_precision.gains_by_bfloat16(cpu_precision.INFERENCE, tell=False)
    assert 3.0 in json.loads(cache.read_text()).values()
