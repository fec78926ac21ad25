"""Judges a model while it trains: COCO's metrics, pictures of prediction beside truth, the best.

What is judged is the graph that would be exported now, with the averaged weights where there are.
"""

import contextlib
import json
import math
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from data_prep import prepared
from tfseg.checkpoint import recovery
from tfseg.checkpoint.optimizers import averages_of
from tfseg.configs.experiment import PARAMS_FILE
from tfseg.evaluation import coco_metrics, evaluation_run, shard_detection
from tfseg.evaluation.history import HISTORY_FILE, read_history
from tfseg.inference.detector import Detector
from tfseg.inference.replicas import detect_on_replicas, num_local_replicas
from tfseg.inference.serving_module import ServingModule
from tfseg.io.atomic_files import write_whole
from tfseg.structures import image_decoding, mask_geometry, visualize
from tfseg.structures.detections import detections_from_coco_results
from tfseg.training.interrupts import interrupts_deferred

BEST_METRIC = "mask/AP"
_PICTURE_SCORE, _PICTURE_SIDE = 0.5, 800


def is_due_at_end(params, model_dir: str, step: int) -> bool:
    """Whether a training that has reached its last step has not been evaluated there."""
    history = read_history(model_dir)
    return params.trainer.validation_interval > 0 and (not history or history[-1]["step"] != step)


def _metric_of_best(model_dir: Path) -> float:
    """What model_dir/best reached, which is what a new one must exceed; -1 where there is none."""
    path = model_dir / recovery.BEST_DIR / "metrics.json"
    if not path.is_file():
        return -1.0
    return json.loads(path.read_text(encoding="utf-8"))[BEST_METRIC]


class Validation:
    """Evaluates checkpoints of a running training.

    Attributes:
        note: The last figures, for the progress line.
    """

    def __init__(self, params, trainer, prepared_set, split: str, model_dir: str):
        """Prepares the evaluation; nothing is computed yet.

        Args:
            params: ExperimentConfig; trainer.validation_interval is the least number of steps
                between two evaluations, trainer.validation_pictures how many photos are drawn.
            trainer: Model Garden's Trainer, for its model and optimizer.
            prepared_set: prepared.PreparedDataset.
            split: Which split of it.
            model_dir: Gets validation.jsonl, summaries, pictures and best/.
        """
        self._params, self._trainer = params, trainer
        self._prepared, self._split = prepared_set, split
        self._model_dir = Path(model_dir)
        self._module: ServingModule | None = None
        self._writer: tf.summary.SummaryWriter | None = None
        history = read_history(model_dir)
        self._last_step = history[-1]["step"] if history else 0
        self._best = _metric_of_best(self._model_dir)
        self.note = _note(history[-1]) if history else ""

    def __call__(self, checkpoint_path: str, step: int) -> None:
        """Evaluates the model as it is, if that is due or the training ends.

        Args:
            checkpoint_path: Where it has just been saved.
            step: The global step.
        """
        due = step - self._last_step >= self._params.trainer.validation_interval
        if step == self._last_step or not (due or step >= self._params.trainer.train_steps):
            return
        self._last_step = step
        with self._averaged_weights():
            metrics, coco_results = evaluate_model(
                self._serving_module(),
                self._prepared,
                self._split,
                strategy=self._trainer.strategy,
            )
        # What has no ground truth has no figure; that of the best is 0 then.
        metrics = {name: value for name, value in metrics.items() if not math.isnan(value)}
        metrics.setdefault(BEST_METRIC, 0.0)
        line = {"step": step, **{name: round(value, 5) for name, value in metrics.items()}}
        if line[BEST_METRIC] > self._best:
            self._best = line[BEST_METRIC]
            params_path = self._model_dir / PARAMS_FILE
            text = json.dumps({"split": self._split, **line}, indent=1) + "\n"
            recovery.keep_best(str(self._model_dir), checkpoint_path, text, params_path)
        # After the best: what the history tells of has been kept.
        lines = [*read_history(self._model_dir), line]
        text = "".join(json.dumps(one) + "\n" for one in lines)
        write_whole(self._model_dir / HISTORY_FILE, text, "the validation history", sync=True)
        self.note = _note(line)
        self._summarize(metrics, coco_results, step)

    @contextlib.contextmanager
    def _averaged_weights(self):
        optimizer = averages_of(self._trainer.optimizer)
        if optimizer is None:
            yield
            return
        is_swapped = False

        def swap() -> None:
            nonlocal is_swapped
            # Half swapped, what an interrupt saves would be neither weights nor averages.
            with self._trainer.strategy.scope(), interrupts_deferred():
                optimizer.swap_weights()
                is_swapped = not is_swapped

        try:
            swap()
            yield
        finally:
            if is_swapped:
                swap()

    def _serving_module(self) -> ServingModule:
        if self._module is None:
            model = self._params.task.model
            self._module = ServingModule(
                self._trainer.model,
                tuple(model.input_size[:2]),
                model.max_level,
                tuple(self._params.task.category_names),
            )
        return self._module

    def _summarize(self, metrics: dict[str, float], coco_results: list[dict], step: int) -> None:
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(self._model_dir / "validation"))
        picture = draw_pictures(
            self._prepared, self._split, coco_results, self._params.trainer.validation_pictures
        )
        with self._writer.as_default(step=step):
            for name, value in metrics.items():
                tf.summary.scalar(name, value)
            if picture is not None:
                tf.summary.image("prediction beside truth", picture[np.newaxis])
                path = str(self._model_dir / "validation" / "pictures.jpg")
                cv2.imwrite(path, picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        self._writer.flush()


def _note(line: dict) -> str:
    names = [name for name in ("mask/AP", "mask/AP50") if name in line]
    figures = " ".join(f"{name} {100 * line[name]:.1f}" for name in names)
    return f"val at {line['step']}: {figures}"


def draw_pictures(prepared_set, split: str, coco_results: list[dict], number: int):
    """Draws the first photos of a split: truth at the left, what was found at the right.

    Args:
        prepared_set: prepared.PreparedDataset.
        split: Name of the split.
        coco_results: Detections of the split's photos; those under a score of 0.5 are left out.
        number: How many photos; one of more than 800 pixels is drawn smaller.

    Returns:
        uint8 [height, width, 3], RGB, one photo a row; None where number is 0.
    """
    if not number:
        return None
    photos = list(shard_detection.read_photos(prepared_set.record_paths(split), number))
    image_ids = [image_id for image_id, _ in photos]
    truth = coco_metrics.load_ground_truth(prepared_set.ground_truth_path(split), image_ids)
    rows = []
    for image_id, encoded in photos:
        pixels = image_decoding.decode_photo(encoded)
        annotations = [{**one, "score": 1.0} for one in truth.imgToAnns.get(image_id, [])]
        found = [
            one
            for one in coco_results
            if one["image_id"] == image_id and one["score"] >= _PICTURE_SCORE
        ]
        names = prepared_set.category_names
        sides = [
            visualize.draw_detections(
                *mask_geometry.fit_within(
                    pixels,
                    detections_from_coco_results(items, pixels.shape[:2], names),
                    _PICTURE_SIDE,
                ),
                show_scores=scores,
            )
            for items, scores in ((annotations, False), (found, True))
        ]
        rows.append(np.concatenate(sides, axis=1))
    width = max(row.shape[1] for row in rows)
    return np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))) for row in rows], axis=0
    )


def evaluate_model(
    module,
    prepared_set: prepared.PreparedDataset,
    split: str,
    num_examples: int = 0,
    batch_size: int = 8,
    strategy: tf.distribute.Strategy | None = None,
) -> tuple[dict[str, float], list[dict]]:
    """Evaluates a model in memory with COCO's metrics alone, as during a training.

    Args:
        module: serving_module.ServingModule.
        prepared_set: Has the module's categories.
        split: Name of the split.
        num_examples: The first so many examples only; 0 means all.
        batch_size: Photos a device at a time.
        strategy: The model's own; all its devices on this machine take part.

    Returns:
        coco_metrics.evaluate_coco's metrics and the COCO results they are of.
    """
    strategy = strategy or tf.distribute.get_strategy()
    detect = detect_on_replicas(module.detect, strategy)
    batch_size *= num_local_replicas(strategy)
    detector = Detector(
        detect,
        "the model",
        module.category_names,
        None,
        attribute_names=module.attribute_names,
    )
    run = evaluation_run.judge_model(detector, prepared_set, split, num_examples, batch_size)
    return run.coco[0], run.coco_results
