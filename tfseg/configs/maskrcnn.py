"""What a Mask R-CNN of garments and its training are told: the experiment and its dataclasses."""

import dataclasses

from official.core import config_definitions as cfg
from official.core import exp_factory
from official.modeling import hyperparams, optimization
from official.vision.configs import maskrcnn as maskrcnn_cfg
from official.vision.ops import preprocess_ops

from tfseg.configs import schedule

EXPERIMENT_NAME = "maskrcnn_resnetfpn_fashion"
MODULES = ("backbone", "decoder", "rpn_head", "detection_head", "mask_head", "attribute_head")


@dataclasses.dataclass
class Augmentation(hyperparams.Config):
    """What is done to training photos beside Model Garden's flips and scale jitter (`parser`).

    Attributes:
        brightness: Largest shift of all values, as a share of the full scale.
        contrast: Largest relative change of the distances from the photo's mean.
        saturation: Largest relative change of the distances from grey.
        rotation_degrees: Largest turn about the photo's centre, either way.
        copy_paste_probability: Share of photos that get instances of another photo pasted
            (Simple Copy-Paste, 2012.07177).
        copy_paste_instances: Share of the other photo's instances that are pasted.
        copy_paste_scale_min: Smallest size of the other photo, relative to the same longest side.
        copy_paste_scale_max: Largest.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    rotation_degrees: float = 0.0
    copy_paste_probability: float = 0.0
    copy_paste_instances: float = 0.5
    copy_paste_scale_min: float = 0.5
    copy_paste_scale_max: float = 1.25


@dataclasses.dataclass
class TrainData(maskrcnn_cfg.DataConfig):
    """Training input config.

    Attributes:
        augmentation: What is done to photos beside the parser's flips and scale jitter.
        repeat_factor_threshold: Photos with categories that fewer than this share of the photos
            have come more than once an epoch (example_order.repeat_factors); 0 for none.
        path_weights: How often the photos of each shard come (mixing); empty for all alike.
        path_loss_weights: What the loss of the photos of each shard is multiplied by; empty for 1.
        max_num_ignored: Ignore regions (crowds) of one photo at most; a fact of the prepared data
            set. 0: crowds are left out, and what they cover is background.
    """

    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    repeat_factor_threshold: float = 0.0
    path_weights: list[float] = dataclasses.field(default_factory=list)
    path_loss_weights: list[float] = dataclasses.field(default_factory=list)
    max_num_ignored: int = 0


@dataclasses.dataclass
class AttributeHead(hyperparams.Config):
    """How a garment looks, beside what and where it is: a branch on the box head's crops.

    Attributes:
        enabled: Whether there is one; the prepared set has to have attributes then.
        fc_dims: Width of its hidden layer.
        num_rois: Instances of a photo that it learns from at most, annotated ones alone.
        box_jitter: In training each edge of a true box is shifted by up to this share of its side,
            as predicted boxes are.
        gradient_scale: What of its gradient goes on into pyramid and backbone; boxes and masks
            suffer least from 0.
        loss_weight: Of its loss in the total.
        focal_gamma: Of the focal loss (1708.02002): most attributes are absent, most of those
            plainly.
    """

    enabled: bool = False
    fc_dims: int = 256
    num_rois: int = 16
    box_jitter: float = 0.1
    gradient_scale: float = 0.1
    loss_weight: float = 1.0
    focal_gamma: float = 2.0


@dataclasses.dataclass
class FashionMaskRCNN(maskrcnn_cfg.MaskRCNNTask):
    """Task config.

    Attributes:
        category_names: Names by category id - 1; a fact of the prepared data set.
        attribute_head: Whether and how attributes are learnt.
        attribute_ids, attribute_names: In the order of the head's outputs; facts of the data set,
            empty where the head is off.
        name_colours: Say each garment's colours, by the photo's pixels within its mask
            (structures/colour_terms.py); nothing is learnt for it.
        category_attributes: For each category id - 1 the positions of the attributes that it can
            have, with "_" between; empty: any can have all.
        data_fingerprint: Which prepared data set; a fact of it.
        num_train_examples: Train on the first so many examples only; 0 means all.
        bfloat16_on_cpu: Let oneDNN compute convolutions and products in bfloat16 where that is
            measured to be faster (io/cpu_precision.py). Weights stay float32.
        freeze: Modules that keep their weights, any of MODULES.
        freeze_backbone_level: The backbone's layers up to the features of this level, and their
            batch normalization's statistics, stay as they are (Detectron2's FREEZE_AT); 0: none.
        freeze_batch_norm: Use batch normalization's statistics as they are and keep its weights;
            what Detectron2 and torchvision do when they fine-tune.
        gradient_accumulation_steps: Parts that a device's share of the batch goes through it in,
            one after another, for one update (training/gradient_accumulation.py): less memory, a
            forward pass more. Batch normalization that learns sees a part at a time.
        loss_limit: A larger total loss ends the training.
        symmetric_padding: Pad as PyTorch does, for weights from there (modeling/torch_padding).
        stride_in_1x1: Stride in a block's first convolution, as Detectron2's ResNet-50 does.
        start: The weights that the recipe is made for, and where they are had; a training from
            nothing must then be asked for. "": from nothing is as meant.
    """

    train_data: TrainData = dataclasses.field(default_factory=lambda: TrainData(is_training=True))
    category_names: list[str] = dataclasses.field(default_factory=list)
    attribute_head: AttributeHead = dataclasses.field(default_factory=AttributeHead)
    attribute_ids: list[int] = dataclasses.field(default_factory=list)
    attribute_names: list[str] = dataclasses.field(default_factory=list)
    name_colours: bool = False
    category_attributes: list[str] = dataclasses.field(default_factory=list)
    data_fingerprint: str = ""
    num_train_examples: int = 0
    bfloat16_on_cpu: bool = False
    freeze: list[str] = dataclasses.field(default_factory=list)
    freeze_backbone_level: int = 0
    freeze_batch_norm: bool = False
    gradient_accumulation_steps: int = 1
    loss_limit: float = 1000.0
    symmetric_padding: bool = False
    stride_in_1x1: bool = False
    start: str = ""


def padded_size(model_config) -> list[int]:
    """[height, width] of the network's input: input_size, rounded up to the largest stride."""
    stride = 2**model_config.max_level
    return preprocess_ops.compute_padded_size(model_config.input_size[:2], stride)


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
