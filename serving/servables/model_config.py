"""Which models to serve, which of their versions, and what those are called."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: What requests ask for.
        base_path: Folder of its numbered versions.
        num_latest: Serve so many of the highest versions; None serves all.
        specific: Serve these versions and no others; empty: by num_latest.
        labels: Label -> version number, such as {"stable": 3, "canary": 4}.
    """

    name: str
    base_path: Path
    num_latest: int | None = 1
    specific: tuple[int, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def wanted(self, numbers: Iterable[int]) -> set[int]:
        """Which of the versions that are there are to be served."""
        numbers = sorted(numbers)
        if self.specific:
            return set(numbers) & set(self.specific)
        return set(numbers if self.num_latest is None else numbers[-self.num_latest :])


def read_model_config_file(path: Path) -> list[ModelConfig]:
    """Reads TensorFlow Serving's models.config (text of a ModelServerConfig message).

    Raises:
        ValueError: The file is missing, malformed, or names no model or the same one twice.
    """
    # Not at import: these modules bring TensorFlow.
    from google.protobuf import text_format
    from tensorflow_serving.config import model_server_config_pb2

    try:
        text = path.read_text(encoding="utf-8")
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--model_config_file={path}: cannot be read: {error}.") from error
    except text_format.ParseError as error:
        raise ValueError(
            f"--model_config_file={path}: {error}; expected the text of a ModelServerConfig, as "
            "serving/deploy/models.config."
        ) from error
    models = [_model_from_message(model) for model in config.model_config_list.config]
    names = [model.name for model in models]
    if not names or "" in names or len(set(names)) != len(names):
        raise ValueError(
            f"--model_config_file={path}: got the models {names}; expected at least one, each with "
            "a name of its own."
        )
    return models


def _model_from_message(model) -> ModelConfig:
    policy = model.model_version_policy
    choice = policy.WhichOneof("policy_choice")
    latest = policy.latest.num_versions or 1
    return ModelConfig(
        name=model.name,
        base_path=Path(model.base_path),
        num_latest=None if choice == "all" else latest,
        specific=tuple(policy.specific.versions) if choice == "specific" else (),
        labels=dict(model.version_labels),
    )
