"""Our Mask R-CNN task: Model Garden's, plus what a fashion data set needs."""

import dataclasses

import numpy as np
import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import exp_factory, task_factory
from official.modeling import optimization
from official.vision.configs import maskrcnn as maskrcnn_cfg
from official.vision.tasks import maskrcnn

from tfseg.configs import schedule
from tfseg.dataloaders import example_order, maskrcnn_input, train_targets
from tfseg.dataloaders.augmentation import Augmentation
from tfseg.modeling import torch_padding
from tfseg.modeling.batch_norm_folding import BATCH_NORMS
from tfseg.ops import nms, sampling
from tfseg.training.loss_guard import LossGuard

EXPERIMENT_NAME = "maskrcnn_resnetfpn_fashion"
MODULES = ("backbone", "decoder", "rpn_head", "detection_head", "mask_head")


@dataclasses.dataclass
class TrainData(maskrcnn_cfg.DataConfig):
    """Training input config.

    Attributes:
        augmentation: What is done to photos beside the parser's flips and scale jitter.
        repeat_factor_threshold: Photos with categories that fewer than this share of the photos
            have come more than once an epoch (example_order.repeat_factors); 0 for none.
        path_weights: How often the photos of each shard come (mixing); empty for all alike.
    """

    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    repeat_factor_threshold: float = 0.0
    path_weights: list[float] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class FashionMaskRCNN(maskrcnn_cfg.MaskRCNNTask):
    """Task config.

    Attributes:
        category_names: Names by category id - 1; a fact of the prepared data set.
        data_fingerprint: Which prepared data set; a fact of it.
        num_train_examples: Train on the first so many examples only; 0 means all.
        bfloat16_on_cpu: Let oneDNN compute convolutions and products in bfloat16 where the
            processor can (AVX512_BF16, AMX). Weights stay float32.
        freeze: Modules that keep their weights: backbone, decoder, rpn_head, detection_head,
            mask_head.
        freeze_batch_norm: Use batch normalization's statistics as they are and keep its weights;
            what Detectron2 and torchvision do when they fine-tune.
        loss_limit: A larger total loss ends the training.
        symmetric_padding: Pad as PyTorch does, for weights that come from there (torch_layout).
        stride_in_1x1: Stride in a block's first convolution, as Detectron2's ResNet-50 does.
    """

    train_data: TrainData = dataclasses.field(default_factory=lambda: TrainData(is_training=True))
    category_names: list[str] = dataclasses.field(default_factory=list)
    data_fingerprint: str = ""
    num_train_examples: int = 0
    bfloat16_on_cpu: bool = False
    freeze: list[str] = dataclasses.field(default_factory=list)
    freeze_batch_norm: bool = False
    loss_limit: float = 1000.0
    symmetric_padding: bool = False
    stride_in_1x1: bool = False


def modules_of(model) -> dict[str, tf.Module]:
    """The parts of a Mask R-CNN, by MODULES' names."""
    heads = (model.rpn_head, model.detection_head[0], model.mask_head)
    parts = (model.backbone, model.decoder, *heads)
    return {name: part for name, part in zip(MODULES, parts, strict=True) if part is not None}


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
        model = self._build_for_device()
        self._samplers = sampling.seed_roi_samplers(model)
        if self.task_config.stride_in_1x1:
            torch_padding.stride_in_first_convolution(model.backbone)
        if self.task_config.symmetric_padding:
            torch_padding.pad_symmetrically(model.backbone)
            torch_padding.pad_symmetrically(model.decoder)
        self._freeze(model)
        self.loss_guard = LossGuard(self.task_config.loss_limit)
        return model

    def _build_for_device(self):
        """Model Garden's model for the padded input, on a CPU of kernels that are quicker there."""
        given, on_cpu = self._task_config, not tf.config.list_physical_devices("GPU")
        model_config = {"input_size": [*train_targets.padded_size(given.model), 3]}
        if on_cpu and tf.distribute.get_strategy().num_replicas_in_sync == 1:
            # Nothing to synchronise: fused normalization does the same, but that the variance it
            # keeps is the unbiased one.
            model_config["norm_activation"] = {"use_sync_bn": False}
        self._task_config = given.replace(model=model_config)
        model = super().build_model()
        self._task_config = given
        if on_cpu:
            model.roi_generator = nms.QuickROIGenerator(**model.roi_generator.get_config())
        return model

    def _freeze(self, model) -> None:
        modules = modules_of(model)
        for name in self.task_config.freeze:
            modules[name].trainable = False
        if self.task_config.freeze_batch_norm:
            for layer in model._flatten_layers():
                if isinstance(layer, BATCH_NORMS):
                    layer.trainable = False

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
        losses = super().build_losses(outputs, labels, aux_losses)
        step = labels["position"][0] // self.task_config.train_data.global_batch_size + 1
        self.loss_guard.record(losses, step)
        return losses

    def image_ids(self, step: int) -> list[int]:
        """The image ids of a step's global batch, steps counted from 1."""
        batch = self.task_config.train_data.global_batch_size
        return self.train_input().image_ids(range((step - 1) * batch, step * batch))

    def train_step(self, inputs, model, optimizer, metrics=None):
        """Does one step; see MaskRCNNTask.train_step."""
        images, labels = inputs
        batch = tf.shape(images)[0]
        anchors = {
            level: tf.tile(boxes[tf.newaxis], [batch, 1, 1, 1])
            for level, boxes in train_targets.anchor_boxes(self.task_config.model).items()
        }
        model_config = self.task_config.model
        target_size = (
            model_config.mask_roi_aligner.crop_size * model_config.mask_head.upsample_factor
        )
        gt_masks = train_targets.centre_gt_masks(labels["gt_masks"], target_size)
        for sampler in self._samplers:
            sampler.set_seeds(labels["sampling_seed"])
        labels = {**labels, "anchor_boxes": anchors, "gt_masks": gt_masks}
        return super().train_step((images, labels), model, optimizer, metrics)


@exp_factory.register_config_factory(EXPERIMENT_NAME)
def maskrcnn_resnetfpn_fashion() -> cfg.ExperimentConfig:
    """Mask R-CNN ResNet-50-FPN with the paper's box head; sizes and lengths come from configs/."""
    base = maskrcnn_cfg.maskrcnn_resnetfpn_coco()
    model = maskrcnn_cfg.MaskRCNN(
        num_classes=0,  # set from the prepared data set
        input_size=[512, 512, 3],
        detection_head=maskrcnn_cfg.DetectionHead(num_convs=0, num_fcs=2, fc_dims=1024),
    )
    return cfg.ExperimentConfig(
        runtime=cfg.RuntimeConfig(mixed_precision_dtype="float32"),
        task=FashionMaskRCNN(
            model=model,
            losses=base.task.losses,
            train_data=TrainData(
                is_training=True,
                global_batch_size=4,
                dtype="float32",
                parser=maskrcnn_cfg.Parser(aug_rand_hflip=True),
            ),
        ),
        trainer=schedule.Trainer(
            epochs=1.0,
            steps_per_loop=10,
            summary_interval=10,
            checkpoint_interval=100,
            max_to_keep=3,
            optimizer_config=optimization.OptimizationConfig(
                {
                    "optimizer": {"type": "sgd", "sgd": {"momentum": 0.9}},
                    "learning_rate": {
                        "type": "cosine",
                        "cosine": {"initial_learning_rate": 0.02, "decay_steps": 1},
                    },
                    "warmup": {
                        "type": "linear",
                        "linear": {"warmup_steps": 100, "warmup_learning_rate": 0.001},
                    },
                }
            ),
        ),
        restrictions=["task.train_data.is_training != None"],
    )
