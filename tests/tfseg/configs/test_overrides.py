import pytest
from official.core import exp_factory

from tfseg.configs import maskrcnn, overrides


@pytest.fixture
def params():
    return exp_factory.get_exp_config(maskrcnn.EXPERIMENT_NAME)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"trainer": {"train_steps": "abc"}}, "trainer.train_steps: got 'abc', expected a whole"),
        ({"trainer": {"train_steps": "1,b=2"}}, "got '1,b=2', expected a whole number"),
        ({"trainer": {"train_steps": 1.5}}, "got 1.5, expected a whole number"),
        ({"trainer": {"train_steps": float("inf")}}, "got inf, expected a whole number"),
        ({"trainer": {"train_steps": float("nan")}}, "got nan, expected a whole number"),
        ({"trainer": {"train_steps": True}}, "got True, expected a whole number"),
        ({"trainer": 7}, "trainer: got 7, expected keys below it"),
        ({"trainer": None}, "trainer: got null, expected keys below it"),
        ({"task": {"model": None}}, "task.model: got null, expected keys below it"),
        ({5: 6}, "got 5 as a key, expected a word"),
        ({"runtime": {"enable_xla": "maybe"}}, "runtime.enable_xla: got 'maybe', expected true or"),
        ({"task": {"model": {"input_size": 512}}}, "input_size: got 512, expected a list"),
        ({"task": {"losses": {"l2_weight_decay": "x"}}}, "got 'x', expected a number"),
        ({"trainer": {"train_stepz": 1}}, "Did you mean train_steps?"),
        ({"task": {"modell": {}}}, "Did you mean model?"),
    ],
)
def test_what_a_key_does_not_hold_is_refused_by_name(params, content, message):
    with pytest.raises(ValueError) as refused:
        overrides.apply(params, content, "c.yaml")
    assert str(refused.value).startswith("c.yaml: ")
    assert message in str(refused.value)


def test_numbers_come_in_their_keys_type(params):
    overrides.apply(params, {"trainer": {"train_steps": 1e3}}, "c.yaml")
    assert params.trainer.train_steps == 1000 and isinstance(params.trainer.train_steps, int)
    overrides.apply(params, {"task": {"losses": {"l2_weight_decay": 0}}}, "c.yaml")
    assert params.task.losses.l2_weight_decay == 0
    overrides.apply(params, {"task": {"model": {"input_size": [64, 32, 3]}}}, "c.yaml")
    assert list(params.task.model.input_size) == [64, 32, 3]
