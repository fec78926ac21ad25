"""Exports of one model to compare: Model Garden's own exporter, and ours with its options.

The names: `stock` and `ours` have the box head of the paper (two fully connected layers), with
`_default_head` Model Garden's default one (four convolutions). The model has Model Garden's default
of 1,000 proposals; `ours` keeps 300, `ours_all_proposals` every one, `ours_200` so many;
`ours_direct` is without Winograd convolutions. `stock_lite0` and `ours_lite0` are of the recipe
modanet_lite0, the others of modanet_r50. A trained model keeps its own heads.
"""

import contextlib
import re
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import tensorflow as tf
import tf_keras
from official.core import exp_factory
from official.modeling import hyperparams
from official.vision.serving import detection
from official.vision.tasks import maskrcnn

from tfseg import export
from tfseg.checkpoint import trained_model
from tfseg.configs import experiment
from tfseg.configs.maskrcnn import EXPERIMENT_NAME
from tfseg.inference import serving_module
from tfseg.modeling import batch_norm_folding, factory
from tfseg.ops import winograd

_CATEGORIES = 13
_DEFAULT_HEAD = {"num_convs": 4, "num_fcs": 1, "fc_dims": 1024}
_PAPER_HEAD = {"num_convs": 0, "num_fcs": 2, "fc_dims": 1024}


def export_variant(name: str, path: Path, input_side: int, model_dir: str | None) -> None:
    """Writes one variant as a SavedModel."""
    if name.startswith("stock"):
        with model_gardens_kernels():
            params, model, _ = _model(name, input_side, model_dir)
        _save_stock(params, model, path)
        return
    params, model, names = _model(name, input_side, model_dir)
    with _winograd_allowed("direct" not in name):
        batch_norm_folding.fold_batch_norm(model)
    kept = re.sub("^ours|_default_head|_direct|_lite0", "", name).strip("_")
    by_name = {"all_proposals": 10**6, "": serving_module.DEFAULT_NUM_PROPOSALS}
    proposals = by_name[kept] if kept in by_name else int(kept)
    size = tuple(params.task.model.input_size[:2])
    arguments = (model, size, params.task.model.max_level, names)
    threshold = serving_module.DEFAULT_SCORE_THRESHOLD
    if model_dir is None:
        probe = serving_module.ServingModule(*arguments, 0.0, num_proposals=proposals)
        scores = probe.detect(tf.constant(photos(None, 1)))["scores"].numpy().ravel()
        threshold = float(scores[9])  # as many garments as a street photo has
    module = serving_module.ServingModule(*arguments, threshold, num_proposals=proposals)
    path.mkdir(parents=True)
    export.save_module(module, path)


def _winograd_allowed(is_allowed: bool):
    if is_allowed:
        return contextlib.nullcontext()
    return mock.patch.object(winograd, "is_quicker", return_value=False)


def _built_by_theirs(task_config):
    return maskrcnn.MaskRCNNTask(task_config).build_model()


def model_gardens_kernels():
    """Has models that are built inside compute as Model Garden's do, not as our task's."""
    return mock.patch.object(factory, "_build_for_device", _built_by_theirs)


def _model(name: str, input_side: int, model_dir: str | None):
    if model_dir:
        trained = trained_model.load_trained(model_dir)
        stock_proposals = {"test_num_proposals": 1000, "test_pre_nms_top_k": 1000}
        trained.model.roi_generator.get_config().update(stock_proposals)
        return trained.params, trained.model, trained.category_names
    params = exp_factory.get_exp_config(EXPERIMENT_NAME)
    for config in ("r50_512", "modanet_lite0") if "lite0" in name else ("r50_512",):
        content = experiment.read_yaml(f"configs/{config}.yaml")
        hyperparams.override_params_dict(params, content, is_strict=True)
    head = _DEFAULT_HEAD if "default_head" in name else _PAPER_HEAD
    overrides = {
        "num_classes": _CATEGORIES + 1,
        "input_size": [input_side, input_side, 3],
        "detection_head": head,
    }
    hyperparams.override_params_dict(params.task.model, overrides, is_strict=True)
    tf_keras.utils.set_random_seed(7)
    model = factory.build_model(params.task)
    return params, model, tuple(f"category {number}" for number in range(1, _CATEGORIES + 1))


def _save_stock(params, model, path: Path) -> None:
    """As official/vision/serving/export_saved_model.py: image bytes, every detection's crop."""
    for part in (model.backbone, model.decoder):
        part.input_spec = None  # it pads to a multiple of 64, and refuses to see that otherwise
    module = detection.DetectionModule(
        params=params,
        batch_size=None,
        input_image_size=list(params.task.model.input_size[:2]),
        input_type="image_bytes",
        model=model,
    )
    signatures = module.get_inference_signatures({"image_bytes": "serving_default"})
    # Without the Keras model beside it, which would only load more slowly.
    exported = tf.Module()
    exported.functions = list(signatures.values())
    exported.model_variables = list(model.variables)
    tf.saved_model.save(exported, str(path), signatures=signatures)


def photos(folder: str | None, count: int) -> list[bytes]:
    """The first JPEGs of a folder; a drawn one of 1280 x 960 without."""
    if folder:
        return [path.read_bytes() for path in sorted(Path(folder).rglob("*.jpg"))[:count]]
    small = np.random.default_rng(3).integers(0, 256, (32, 24, 3)).astype(np.uint8)
    image = cv2.resize(small, (960, 1280), interpolation=cv2.INTER_CUBIC)
    return [cv2.imencode(".jpg", image)[1].tobytes()]
