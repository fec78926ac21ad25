import json

import pytest

from tfseg.inference import model_card

CARD = {
    "task": "instance segmentation of garments in photos",
    "model": {
        "kind": "Mask R-CNN, ResNet-FPN",
        "backbone": "ResNet-50",
        "input_size_hw": [512, 384],
        "num_weights": 46000000,
    },
    "recipe": {
        "trained_steps": 900,
        "planned_steps": 1000,
        "global_batch_size": 4,
        "num_train_examples": 340,
    },
    "data": {
        "shards": "modanet-train.tfrecord-00000-of-00001",
        "fingerprint": "0123456789abcdef0123",
        "category_names": ["bag", "scarf/tie"],
    },
    "serving": {
        "score_thresholds": {"bag": 0.4, "scarf/tie": 0.25},
        "score_thresholds_of": "f1 on val",
        "num_proposals": 300,
        "nms_iou": None,
        "max_pixels": 100000000,
    },
    "metrics": {"split": "val", "step": 900, "box/AP": 0.2, "mask/AP50": 0.3504},
}


def test_write_card_for_people_and_programs(tmp_path):
    model_card.write_card(CARD, tmp_path)

    assert json.loads((tmp_path / "model_card.json").read_text()) == CARD
    text = (tmp_path / "model_card.md").read_text()
    assert "Finds garments in photos: bag, scarf/tie." in text
    assert "| input | photos of any size, fitted into 384 x 512 pixels |" in text
    assert "| score thresholds (f1 on val) | bag 0.4, scarf/tie 0.25 |" in text
    assert "Split val, step 900, percent." in text
    assert "| box/AP | 20.0 |\n| mask/AP50 | 35.0 |" in text


def test_card_text_names_the_attributes_with_their_figures():
    serving = {**CARD["serving"], "attribute_thresholds": {"red": 0.35, "wide belt": 0.5}}
    metrics = {**CARD["metrics"], "attributes/AP/red": 0.912, "attributes/F1/red": 0.8}
    metrics["attributes/F1/wide belt"] = float("nan")

    text = model_card.card_text({**CARD, "serving": serving, "metrics": metrics})

    assert "which of 2 attributes it has" in text
    assert "| red | 0.35 | 91.2 | 80.0 |\n| wide belt | 0.5 | - | - |" in text
    assert "| red | 0.35 | - | - |" in model_card.card_text(
        {**CARD, "serving": serving, "metrics": None}
    )
    assert "attribute" not in model_card.card_text(CARD)


def test_card_text_without_metrics():
    assert "Not evaluated" in model_card.card_text({**CARD, "metrics": None})


def test_read_metrics_finds_them_in_model_dir(tmp_path):
    assert model_card.read_metrics(None, tmp_path) is None
    (tmp_path / "metrics.json").write_text('{"box/AP": 0.2}')

    assert model_card.read_metrics(None, tmp_path) == {"box/AP": 0.2}


@pytest.mark.parametrize("content", [None, "no json", "[]", '{"loss": 1}'])
def test_read_metrics_refuses_other_files(tmp_path, content):
    path = tmp_path / "given.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ValueError, match=r"--metrics_path=.*given\.json: .* tfseg\.evaluate wrote"):
        model_card.read_metrics(path, tmp_path)


@pytest.mark.parametrize(
    ("kind", "fields", "name"),
    [
        ("resnet", {"model_id": 101}, "ResNet-101"),
        ("efficientnet", {"model_id": "b0"}, "EfficientNet-b0"),
    ],
)
def test_a_backbone_is_named_by_its_kind(kind, fields, name):
    from official.vision.configs import backbones

    backbone = backbones.Backbone({"type": kind, kind: fields})

    assert model_card._backbone_name(backbone) == name
