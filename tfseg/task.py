"""Our Mask R-CNN task: Model Garden's, plus what a fashion data set needs."""

import dataclasses

import tensorflow as tf
from official.core import config_definitions as cfg
from official.core import exp_factory, task_factory
from official.modeling import optimization
from official.vision.configs import maskrcnn as maskrcnn_cfg
from official.vision.tasks import maskrcnn

EXPERIMENT_NAME = "maskrcnn_resnetfpn_fashion"


@dataclasses.dataclass
class FashionMaskRCNN(maskrcnn_cfg.MaskRCNNTask):
    """Task config.

    Attributes:
        category_names: Names by category id - 1; a fact of the prepared data set.
        data_fingerprint: Which prepared data set; a fact of it.
        num_train_examples: Train on the first so many examples only; 0 means all.
        bfloat16_on_cpu: Let oneDNN compute convolutions and products in bfloat16 where the
            processor can (AVX512_BF16, AMX). Weights stay float32.
    """

    category_names: list[str] = dataclasses.field(default_factory=list)
    data_fingerprint: str = ""
    num_train_examples: int = 0
    bfloat16_on_cpu: bool = False


@task_factory.register_task_cls(FashionMaskRCNN)
class FashionMaskRCNNTask(maskrcnn.MaskRCNNTask):
    """Model Garden's MaskRCNNTask, able to train on the first examples only."""

    def build_inputs(self, params, input_context=None, dataset_fn=None) -> tf.data.Dataset:
        """Builds the input data set, cut to `num_train_examples` where that is set."""
        if params.is_training and self.task_config.num_train_examples:
            paths = params.input_path.split(",")
            first = self.task_config.num_train_examples
            # One "file" that is the first records of all shards, in the order of their names.
            params = params.replace(input_path=paths[0])

            def dataset_fn(_):
                return tf.data.TFRecordDataset(paths).take(first)

        dataset = super().build_inputs(params, input_context, dataset_fn)
        if not params.is_training or not self.task_config.model.include_mask:
            return dataset
        model = self.task_config.model
        target_size = model.mask_roi_aligner.crop_size * model.mask_head.upsample_factor
        return dataset.map(
            lambda images, labels: (
                images,
                {**labels, "gt_masks": centre_gt_masks(labels["gt_masks"], target_size)},
            ),
            num_parallel_calls=tf.data.AUTOTUNE,
        )


def centre_gt_masks(gt_masks: tf.Tensor, target_size: int) -> tf.Tensor:
    """Moves ground-truth masks so that Model Garden's mask targets come out unbiased.

    For target i, spatial_transform_ops.crop_mask_in_target_box takes the cell
    (i + 0.5) * crop_size / target_size, where that cell's centre is half a cell further: its
    targets lie (crop_size / target_size - 1) / 2 cells too far down and right, 1.3 % of the box at
    the usual 112 and 28. Moving the masks up and left by as much undoes it.

    Args:
        gt_masks: float32 [..., crop_size, crop_size], from the parser; what moves in from beyond
            the box is 0, as nothing of an instance lies outside its box.
        target_size: Side of the mask head's targets.

    Returns:
        The moved masks, of the same shape and type.
    """
    crop_size = gt_masks.shape[-1]
    shift = max(0.0, (crop_size / target_size - 1) / 2)
    whole, fraction = int(shift), shift - int(shift)
    no_padding = [[0, 0]] * (gt_masks.shape.rank - 2)
    padded = tf.pad(gt_masks, [*no_padding, [0, whole + 1], [0, whole + 1]])
    for axis in (-2, -1):
        cells = [slice(None)] * gt_masks.shape.rank
        cells[axis] = slice(whole, whole + crop_size)
        next_cells = list(cells)
        next_cells[axis] = slice(whole + 1, whole + 1 + crop_size)
        near, far = padded[tuple(cells)], padded[tuple(next_cells)]
        padded = near * (1 - fraction) + far * fraction
    return padded


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
            train_data=maskrcnn_cfg.DataConfig(
                is_training=True,
                global_batch_size=4,
                dtype="float32",
                shuffle_buffer_size=1000,
                parser=maskrcnn_cfg.Parser(aug_rand_hflip=True),
            ),
        ),
        trainer=cfg.TrainerConfig(
            train_steps=1,
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
