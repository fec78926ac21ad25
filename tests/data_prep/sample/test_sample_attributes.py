import json

import numpy as np
import pytest

from data_prep.build.build_dataset import build_dataset
from data_prep.build.preparation import PrepOptions
from data_prep.datasets.sample.sample_dataset_builder import Builder
from data_prep.prepared import open_prepared
from data_prep.sample.attributes import ATTRIBUTE_NAMES, garment_attributes
from data_prep.sample.fabric import Fabric
from data_prep.sample.figure import Build, Figure, Pose
from data_prep.sample.outfit import Garment
from data_prep.sample.raw_sample import SampleFacts, draw_sample

RED = (214, 48, 49)
FIGURE = Figure(
    Build(0.1, 0.07, 0.085),
    Pose(("relaxed", "relaxed"), "stride", 0.0, 0.0, 0.0, (0, 0, 0, 0), False),
    500.0,
    (200.0, 30.0),
)


def garment(category, kind, pattern="plain", length=0.5):
    return Garment(category, kind, Fabric(RED, pattern), RED, length, 0.5)


def names_of(worn, *others, photo_height=600):
    outfit = {g.category: g for g in (worn, *others)}
    return {ATTRIBUTE_NAMES[i] for i in garment_attributes(worn, outfit, FIGURE, photo_height)}


@pytest.mark.parametrize(
    ("worn", "expected"),
    [
        (garment("top", "tee", "stripes_across"), {"striped", "short sleeves", "round neckline"}),
        (garment("top", "tank", "dots"), {"dotted", "sleeveless", "scoop neckline"}),
        (
            garment("top", "blouse", "checks"),
            {"checked", "elbow-length sleeves", "shirt collar", "buttons"},
        ),
        (garment("outer", "coat"), {"plain", "long sleeves", "lapels", "buttons", "thigh-length"}),
        (garment("outer", "jacket"), {"plain", "long sleeves", "lapels", "zip", "waist-length"}),
        (
            garment("dress", "sleeveless", "blossoms", length=0.1),
            {"floral", "sleeveless", "scoop neckline", "above the knee"},
        ),
        (garment("skirt", "flared", "plaid", length=0.95), {"checked", "below the knee"}),
        (garment("pants", "slim", "denim"), {"denim", "fly"}),
        (garment("boots", "laced"), {"laces"}),
        (garment("boots", "rain"), set()),
    ],
)
def test_garment_attributes(worn, expected):
    assert names_of(worn) == expected


def test_what_is_hidden_is_not_told():
    tee, coat, scarf = (
        garment("top", "tee"),
        garment("outer", "coat"),
        garment("scarf/tie", "scarf"),
    )
    assert names_of(tee, coat) == {"plain", "round neckline"}
    assert names_of(tee, scarf) == {"plain", "short sleeves"}
    assert names_of(garment("skirt", "flared", length=0.95), photo_height=300) == {"plain"}


def test_attributes_come_through_the_build(tmp_path):
    draw_sample(tmp_path / "raw", SampleFacts(num_images=30, num_challenge=8, seed=4), 2)
    # Every 30th photo of so few is faulty in one way or another.
    options = PrepOptions(num_workers=2, max_bad_percent=20)
    build_dataset(Builder, tmp_path / "raw", tmp_path / "prepared", options)

    prepared = open_prepared(tmp_path / "prepared")
    assert prepared.attribute_names[501] == "plain"
    truth = json.loads(prepared.ground_truth_path("train").read_text())
    assert truth["attributes"][7] == {"id": 508, "name": "sleeveless"}
    told = [a["attribute_ids"] for a in truth["annotations"]]
    assert np.mean([len(ids) > 0 for ids in told]) > 0.5
    table = {
        prepared.category_names[category_id - 1]: {prepared.attribute_names[i] for i in ids}
        for category_id, ids in (prepared.category_attributes or {}).items()
    }
    assert table["belt"] == {"buckle"}
    assert {"short sleeves", "round neckline"} <= table["top"]
    assert not table["pants"] & {"short sleeves", "lapels", "buckle"}
    assert "sunglasses" not in table
