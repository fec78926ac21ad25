"""A trained model ready to be asked, from a model_dir or from a SavedModel.

Both are the exported graph (serving_module.ServingModule), so that what is measured and predicted
is what is served.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfseg.configs.experiment import PARAMS_FILE
from tfseg.io.version_folders import version_folders
from tfseg.structures import thresholds
from tfseg.structures.thresholds import Thresholds
from tfseg.zoo import packaged_models

_OUTPUTS = ("ok", "error", "num_detections", "boxes_yxyx", "class_ids", "mask_rle")
_NAMES_FILE = "assets/category_names.txt"
_ATTRIBUTES_FILE = "assets.extra/attributes.json"


class Detector:
    """Finds garments in encoded photos.

    Attributes:
        name: Where it comes from, for people.
        category_names: Names by category id - 1.
        attribute_names: In the order of attribute_scores; () where it has none, or does not tell.
        thresholds: The model's own thresholds.json; None where it has none.
        step: The training step; None where it is not known.
        built_in_nms_iou: IoU of a second NMS within the graph, which no signature gets round; None
            where there is none.
    """

    def __init__(
        self,
        detect,
        name: str,
        category_names: Sequence[str],
        own_thresholds: Thresholds | None,
        step: int | None = None,
        built_in_nms_iou: float | None = None,
        detect_above=None,
        attribute_names: Sequence[str] = (),
    ):
        """Wraps functions to ServingModule's outputs, as tensors.

        Args:
            detect: From image_bytes, string [batch].
            detect_above: From image_bytes and score_threshold, float32 [batch]; None where the
                model cannot be asked for other thresholds.
        """
        self._detect, self._detect_above = detect, detect_above
        self.name = name
        self.category_names = tuple(category_names)
        self.attribute_names = tuple(attribute_names)
        self.thresholds = own_thresholds
        self.step = step
        self.built_in_nms_iou = built_in_nms_iou

    def refuse_other_nms(self, wanted: Thresholds) -> None:
        """Raises a ValueError where another second NMS is wanted than the one built in."""
        if self.built_in_nms_iou not in (None, wanted.nms_iou):
            raise ValueError(
                f"{self.name}: a second NMS at IoU {self.built_in_nms_iou} is built into it and "
                f"stays; the thresholds given have nms_iou {wanted.nms_iou}. Use "
                "--model_dir, or export anew with these thresholds.json in the model's folder."
            )

    def thresholds_with(
        self, given: Thresholds | None = None, score_threshold: float | None = None
    ) -> Thresholds:
        """Returns the thresholds to use where a user may have given some.

        Args:
            given: Taken in place of the model's own.
            score_threshold: For all categories, in place of the model's own; its second NMS and its
                attributes' thresholds stay.

        Raises:
            ValueError: As refuse_other_nms.
        """
        if given:
            self.refuse_other_nms(given)
            return given
        own = self.thresholds or thresholds.DEFAULT
        if score_threshold is None:
            return own
        of_attributes = own.attribute_thresholds
        return Thresholds({}, score_threshold, own.nms_iou, attribute_thresholds=of_attributes)

    def detect(
        self, image_bytes: Sequence[bytes], score_threshold: float | None = None
    ) -> dict[str, np.ndarray]:
        """Returns serving_module.ServingModule's outputs as numpy arrays.

        Args:
            image_bytes: Encoded photos.
            score_threshold: In place of the thresholds built in, for all categories.

        Raises:
            ValueError: The model cannot be asked for another threshold.
        """
        photos = tf.constant(list(image_bytes), tf.string)
        if score_threshold is None:
            outputs = self._detect(photos)
        elif self._detect_above is None:
            raise ValueError(f"{self.name}: has its score thresholds built in; export it anew.")
        else:
            outputs = self._detect_above(photos, tf.fill(tf.shape(photos), float(score_threshold)))
        return {name: value.numpy() for name, value in outputs.items()}


def use_bfloat16(enabled: bool = True) -> None:
    """Lets the graphs that run from now on compute in bfloat16 (oneDNN, CPU), or no more."""
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": enabled})


def detector_from_model_dir(
    model_dir: str,
    checkpoint_path: str | None = None,
    input_size_hw: tuple[int, int] | None = None,
) -> Detector:
    """Loads a checkpoint of a training.

    Args:
        model_dir: Of the training, or a model in the box.
        checkpoint_path: The latest by default.
        input_size_hw: The box that photos are fitted into, pixels; that of the training by default.

    Raises:
        ValueError: model_dir, its params or its checkpoint is missing or does not fit.
    """
    from tfseg.checkpoint import trained_model
    from tfseg.inference import serving_module

    trained = trained_model.load_trained(model_dir, checkpoint_path)
    if input_size_hw:
        trained_model.fit_photos_into(trained, input_size_hw)
    module = serving_module.module_from_trained(trained, max_images=2**31 - 1)  # no stranger's
    name = f"{model_dir} at step {trained.step}"
    own = thresholds.load(packaged_models.folder(model_dir) or model_dir)
    return Detector(
        module.detect,
        name,
        trained.category_names,
        own,
        trained.step,
        detect_above=module.detect_above,
        attribute_names=module.attribute_names,
    )


def open_detector(model: str, all_scores: bool = False) -> Detector:
    """Loads a model in the box by its name, or from a folder: an export's or a training's.

    Args:
        model: The name, or the folder.
        all_scores: As of detector_from_saved_model.

    Raises:
        ValueError: There is none.
    """
    if packaged_models.folder(model):
        return detector_from_saved_model(str(packaged_models.saved_model(model)), all_scores)
    if (Path(model) / PARAMS_FILE).is_file():
        return detector_from_model_dir(model)
    if not Path(model).is_dir():
        raise ValueError(
            f"{model}: no such folder, and no model in the box; there are: "
            f"{', '.join(packaged_models.names())}."
        )
    return detector_from_saved_model(model, all_scores)


def detector_from_saved_model(path: str, all_scores: bool = False) -> Detector:
    """Loads a SavedModel written by tfseg.export.

    Args:
        path: A version folder, or the folder of the numbered versions, of which the highest counts.
        all_scores: Get round the score thresholds built into the graph, where the export allows it:
            to be measured, a model has to show its doubtful detections too. A second NMS stays.

    Raises:
        ValueError: There is no SavedModel, or not one of tfseg.export's.
    """
    version_dir = find_version(path)
    try:
        loaded = tf.saved_model.load(str(version_dir))
    except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{version_dir}: cannot load the SavedModel ({reason}).") from None
    # Last those with the most outputs: attributes' scores are asked for where there are any.
    in_order = sorted(loaded.signatures.values(), key=lambda s: len(s.structured_outputs))
    signatures = {_input_names(s): s for s in in_order if _has_masks(s)}
    plain = signatures.get(("image_bytes",))
    above = signatures.get(("image_bytes", "score_threshold"))
    names_path = version_dir / _NAMES_FILE
    if plain is None or not names_path.is_file():
        raise ValueError(
            f"{version_dir}: has no signature from image_bytes to {', '.join(_OUTPUTS)}, or no "
            f"{_NAMES_FILE}; expected a model written by tfseg.export."
        )

    # `loaded` is kept: a signature alone does not keep its variables alive.
    def detect(image_bytes, _loaded=loaded):
        if above is None or not (all_scores or "attribute_scores" in above.structured_outputs):
            return plain(image_bytes=image_bytes)
        threshold = 0.0 if all_scores else -1.0  # a negative one leaves those built in
        return above(
            image_bytes=image_bytes, score_threshold=tf.fill(tf.shape(image_bytes), threshold)
        )

    def detect_above(image_bytes, score_threshold, _loaded=loaded):
        assert above is not None, "the Detector is not given this function then"
        return above(image_bytes=image_bytes, score_threshold=score_threshold)

    names = names_path.read_text(encoding="utf-8").splitlines()
    own = thresholds.load(version_dir)
    nms_iou = own.nms_iou if own else None
    return Detector(
        detect,
        str(version_dir),
        names,
        own,
        built_in_nms_iou=nms_iou,
        detect_above=detect_above if above else None,
        attribute_names=_attribute_names(version_dir),
    )


def _attribute_names(version_dir: Path) -> list[str]:
    path = version_dir / _ATTRIBUTES_FILE
    if not path.is_file():
        return []
    try:
        return [str(name) for name in json.loads(path.read_text(encoding="utf-8"))]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a json list of names ({error}); export it anew.") from None


def _input_names(signature) -> tuple[str, ...]:
    return tuple(sorted(signature.structured_input_signature[1]))


def _has_masks(signature) -> bool:
    return set(_OUTPUTS) <= set(signature.structured_outputs)


def find_version(path: str) -> Path:
    """Returns the version folder itself, or the highest numbered one in it.

    Raises:
        ValueError: Neither is a SavedModel.
    """
    folder = Path(path)
    if (folder / "saved_model.pb").is_file():
        return folder
    versions = version_folders(folder) if folder.is_dir() else {}
    for version_dir in reversed(versions.values()):
        if (version_dir / "saved_model.pb").is_file():
            return version_dir
    raise ValueError(
        f"--saved_model={path}: no saved_model.pb in it or in a numbered folder of it; expected "
        "what tfseg.export wrote."
    )
