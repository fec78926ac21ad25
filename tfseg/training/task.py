"""Our Mask R-CNN task: Model Garden's, plus what a fashion data set needs."""

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import task_factory
from official.vision.tasks import maskrcnn

from tfseg.checkpoint import optimizers
from tfseg.configs.maskrcnn import FashionMaskRCNN
from tfseg.dataloaders import example_order, maskrcnn_input, train_targets
from tfseg.modeling import factory, ignoring_samplers
from tfseg.modeling.box_sampler import seeded_samplers
from tfseg.modeling.depthwise_gradients import use_quick_gradients
from tfseg.training import attribute_loss, gradient_accumulation, weighted_losses
from tfseg.training.loss_guard import LossGuard


@task_factory.register_task_cls(FashionMaskRCNN)
class FashionMaskRCNNTask(maskrcnn.MaskRCNNTask):
    """Model Garden's MaskRCNNTask with an input and draws that can be resumed exactly.

    Attributes:
        start_step: The global step that the training input begins at.
        loss_guard: Notices the first bad step; exists once the model does.
        initializer: Function that is given the model where a training starts anew.
    """

    start_step = 0
    initializer = None

    def build_model(self):
        """Builds the model; its draws follow from the seeds of the images."""
        model = self._model = factory.build_model(self.task_config)
        self._samplers = seeded_samplers(model)
        self.loss_guard = LossGuard(self.task_config.loss_limit)
        return model

    def create_optimizer(self, optimizer_config, runtime_config=None, dp_config=None):
        """Builds the optimizer of the model built last; see optimizers.build_optimizer."""
        if dp_config is not None:
            raise ValueError("task.differential_privacy_config: not supported; leave it out.")
        optimizer = optimizers.build_optimizer(optimizer_config, runtime_config)
        averages = optimizers.averages_of(optimizer)
        if averages:  # Model Garden's trainer does not look for them below a loss scale
            averages.shadow_copy(self._model)
        return optimizer

    def initialize(self, model) -> None:
        """Takes over other weights, where a training starts anew and is told to."""
        if self.initializer:
            self.initializer(model)

    def train_input(self) -> maskrcnn_input.TrainInput:
        """Finds the records of the training shards and their order.

        Raises:
            ValueError: A shard is missing or damaged.
        """
        data = self.task_config.train_data
        paths = data.input_path.split(",")
        shards, offsets = example_order.index_records(paths)
        first = self.task_config.num_train_examples or len(offsets)
        shards, offsets = shards[:first], offsets[:first]
        repeats = np.ones(len(offsets))
        if data.repeat_factor_threshold:
            categories = maskrcnn_input.read_categories(paths)[:first]
            repeats = example_order.repeat_factors(
                categories, len(self.task_config.category_names), data.repeat_factor_threshold
            )
        if data.path_weights:
            repeats = repeats * np.array(data.path_weights)[shards]
        seed = data.seed or 0
        order = example_order.ExampleOrder(repeats, seed)
        return maskrcnn_input.TrainInput(self.task_config, seed, paths, shards, offsets, order)

    def build_inputs(self, params, input_context=None, dataset_fn=None) -> tf.data.Dataset:
        """Builds the training input from start_step on."""
        del dataset_fn
        context = input_context or tf.distribute.InputContext()
        dataset = self.train_input().dataset(
            start=self.start_step * params.global_batch_size,
            num_pipelines=context.num_input_pipelines,
            pipeline=context.input_pipeline_id,
            replicas=context.num_replicas_in_sync // context.num_input_pipelines,
        )
        # The positions are shared out already.
        options = tf.data.Options()
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        return dataset.with_options(options)

    def build_losses(self, outputs, labels, aux_losses=None):
        """Computes the losses; see MaskRCNNTask.build_losses."""
        if "example_weight" in labels or "ignored_boxes" in labels:
            losses = weighted_losses.build_losses(outputs, labels, self.task_config, aux_losses)
        else:
            losses = super().build_losses(outputs, labels, aux_losses)
        if self._model.attribute_head is not None:
            config = self.task_config.attribute_head
            logits = outputs.get("attribute_outputs")
            if logits is None:
                features = outputs["decoder_features"]
                logits = attribute_loss.attribute_logits(self._model, features, labels, config)
            cost = attribute_loss.attribute_loss(self._model.attribute_head, logits, labels, config)
            weighted = config.loss_weight * cost
            losses = {
                **losses,
                "total_loss": losses["total_loss"] + weighted,
                "attribute_loss": cost,
                "model_loss": losses["model_loss"] + weighted,
            }
        step = labels["position"][0] // self.task_config.train_data.global_batch_size + 1
        self.loss_guard.record(losses, step)
        return losses

    def build_metrics(self, training: bool = True):
        """Builds the metrics of the losses; see MaskRCNNTask.build_metrics."""
        metrics = super().build_metrics(training)
        if training and self.task_config.attribute_head.enabled:
            metrics.append(tf_keras.metrics.Mean("attribute_loss", dtype=tf.float32))
        return metrics

    def image_ids(self, step: int) -> list[int]:
        """The image ids of a step's global batch, steps counted from 1."""
        batch = self.task_config.train_data.global_batch_size
        return self.train_input().image_ids(range((step - 1) * batch, step * batch))

    # Rewriting hundreds of functions by AutoGraph is a third of a start, and changes nothing.
    @tf.autograph.experimental.do_not_convert
    def train_step(self, inputs, model, optimizer, metrics=None):
        """Does one step; see MaskRCNNTask.train_step."""
        if factory.runs_on_cpu():
            use_quick_gradients(model.backbone)
        images, labels = inputs
        batch = tf.shape(images)[0]
        anchors = {
            level: tf.tile(boxes[tf.newaxis], [batch, 1, 1, 1])
            for level, boxes in train_targets.anchor_boxes(self.task_config.model).items()
        }
        gt_masks = train_targets.centre_gt_masks(labels["gt_masks"])
        labels = {**labels, "anchor_boxes": anchors, "gt_masks": gt_masks, "images": images}
        num_parts = self.task_config.gradient_accumulation_steps
        if num_parts > 1:
            return gradient_accumulation.train_step(
                self, (images, labels), model, optimizer, metrics, num_parts
            )
        self._prepare_samplers(labels, model)
        return super().train_step((images, labels), model, optimizer, metrics)

    def forward(self, images: tf.Tensor, labels: dict, model) -> dict:
        """The model's outputs in training, as MaskRCNNTask.train_step has them."""
        self._prepare_samplers(labels, model)
        wanted = ["anchor_boxes", "gt_boxes", "gt_classes"]
        wanted += ["gt_masks"] if self.task_config.model.include_mask else []
        outputs = model(
            images,
            image_shape=labels["image_info"][:, 1, :],
            training=True,
            **{name: labels[name] for name in wanted},
        )
        if model.attribute_head is None:
            return outputs
        features, config = outputs["decoder_features"], self.task_config.attribute_head
        logits = attribute_loss.attribute_logits(model, features, labels, config)
        return {**outputs, "attribute_outputs": logits}

    def _prepare_samplers(self, labels: dict, model) -> None:
        for sampler in self._samplers:
            sampler.set_seeds(labels["sampling_seed"])
        unknown = labels.get("gt_unknown")
        if unknown is not None:
            unknown = train_targets.centre_gt_masks(unknown)
        ignoring_samplers.set_ignored(model, labels.get("ignored_boxes"), unknown)
