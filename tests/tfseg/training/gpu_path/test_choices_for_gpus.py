"""What the full-size recipes, the model and its export choose with GPUs in mind."""

import pytest

from tests.benchmarks.gpu_check.cases import RECIPES
from tests.tfseg import small_experiment

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return small_experiment.write_prepared(tmp_path_factory.mktemp("prepared"))


def params_of(recipe, prepared):
    from tfseg.configs import experiment, recipes

    flags = recipes.expand(["train", f"--config={recipe}"])[1:]
    paths = [flag.removeprefix("--config_file=") for flag in flags]
    return experiment.build_params("maskrcnn_resnetfpn_fashion", paths, [], prepared)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_full_size_recipe_begins_from_weights_and_says_where_they_are_had(
    recipe, prepared, tmp_path
):
    from tfseg.training import preflight

    params = params_of(recipe, prepared)

    with pytest.raises(ValueError, match="--init_from is missing: this recipe starts from") as told:
        preflight.check_start(params, str(tmp_path), None)
    assert "--init_from=" in str(told.value)
    assert "import_weights" in str(told.value) or "tfseg/README.md" in str(told.value)
    assert "--from_scratch" in str(told.value)
    preflight.check_start(params, str(tmp_path), "COCO")
    (tmp_path / "ckpt-7.index").touch()
    preflight.check_start(params, str(tmp_path), None)  # it goes on


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_full_size_recipe_wastes_little_of_its_input_on_padding(recipe, prepared):
    """ModaNet's photos are 600 x 400."""
    height, width, _ = params_of(recipe, prepared).task.model.input_size

    scale = min(height / 600, width / 400)
    assert 600 * 400 * scale**2 > 0.9 * height * width
    assert scale > 1


@pytest.mark.parametrize("quick", [False, True])
def test_proposals_are_not_rounded_in_mixed_precision(quick):
    """A network in bfloat16 says that anchors stay where they are: they come back to the digit."""
    import tensorflow as tf
    import tf_keras

    from tfseg.modeling.roi_generator import Float32ROIGenerator

    anchors = tf.constant([[100.3, 200.7, 131.1, 217.9], [7.3, 8.9, 300.1, 90.7]])
    tf_keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        generator = Float32ROIGenerator(quick, pre_nms_top_k=2, num_proposals=2)
        boxes, scores = generator(
            {"3": tf.zeros([1, 1, 2, 4], tf.bfloat16)},
            {"3": tf.constant([[[[3.0], [1.0]]]], tf.bfloat16)},
            {"3": anchors[tf.newaxis, tf.newaxis]},
            tf.constant([[320.0, 320.0]]),
            training=True,
        )
    finally:
        tf_keras.mixed_precision.set_global_policy("float32")

    assert boxes.dtype == scores.dtype == tf.float32
    tf.debugging.assert_near(boxes[0], anchors, atol=1e-3)


def test_strings_and_data_sets_of_an_export_stay_on_the_cpu():
    """They have no kernels on a GPU."""
    import tensorflow as tf

    from tfseg.inference import preprocessing

    layout = preprocessing.input_layout((64, 96), 5, 5)
    graph = (
        tf.function(lambda photos: preprocessing.inputs_from_bytes(photos, layout, 10**6))
        .get_concrete_function(tf.TensorSpec([None], tf.string))
        .graph
    )
    of_the_host = [
        one
        for one in graph.get_operations()
        if one.type not in ("Placeholder", "Identity", "NoOp")
        and {tf.string, tf.variant} & {value.dtype for value in [*one.inputs, *one.outputs]}
    ]

    assert len(of_the_host) > 10
    assert [one.name for one in of_the_host if not one.device.endswith("CPU:0")] == []


def test_a_served_model_shares_a_gpu_and_falls_back_to_the_cpu():
    from serving.servables import model_store

    config = model_store.session_config()

    assert config.allow_soft_placement
    assert config.gpu_options.allow_growth
