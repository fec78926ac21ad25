from pathlib import Path

import pytest

from serving.servables.model_config import ModelConfig, read_model_config_file

TEXT = """
model_config_list {
  config {
    name: "fashion"
    base_path: "/models/fashion"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
    version_labels { key: "canary" value: 4 }
  }
  config { name: "product" base_path: "/models/product" }
  config { name: "two" base_path: "/t" model_version_policy { latest { num_versions: 2 } } }
  config { name: "every" base_path: "/e" model_version_policy { all {} } }
}
"""


def test_read_model_config_file(tmp_path):
    path = tmp_path / "models.config"
    path.write_text(TEXT)

    assert read_model_config_file(path) == [
        ModelConfig(
            "fashion",
            Path("/models/fashion"),
            specific=(3, 4),
            labels={"stable": 3, "canary": 4},
        ),
        ModelConfig("product", Path("/models/product"), num_latest=1),
        ModelConfig("two", Path("/t"), num_latest=2),
        ModelConfig("every", Path("/e"), num_latest=None),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        ("model_config_list { nonsense: 1 }", "expected the text of a ModelServerConfig"),
        ("", r"got the models \[\]"),
        ('model_config_list { config { base_path: "/a" } }', r"got the models \[''\]"),
    ],
)
def test_read_model_config_file_refuses(tmp_path, text, message):
    path = tmp_path / "models.config"
    if text is not None:
        path.write_text(text)

    with pytest.raises(ValueError, match=message) as caught:
        read_model_config_file(path)

    assert str(path) in str(caught.value)
