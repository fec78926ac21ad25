import os

from tfseg.training import strategy


def test_depthwise_gradients_are_kept_out_of_bfloat16_unless_the_user_says_otherwise(monkeypatch):
    monkeypatch.delenv(strategy.KEPT_IN_FLOAT32, raising=False)
    strategy.set_precision("float32", bfloat16_on_cpu=False)
    assert os.environ[strategy.KEPT_IN_FLOAT32].split(",") == [
        "DepthwiseConv2dNativeBackpropFilter",
        "DepthwiseConv2dNativeBackpropInput",
    ]

    monkeypatch.setenv(strategy.KEPT_IN_FLOAT32, "Conv2D")
    strategy.set_precision("float32", bfloat16_on_cpu=False)
    assert os.environ[strategy.KEPT_IN_FLOAT32] == "Conv2D"
