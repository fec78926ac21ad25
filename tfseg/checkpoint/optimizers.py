"""The optimizer that a config describes: in training, and to read its averages back."""

import tensorflow as tf
import tf_keras
from official.core import config_definitions as cfg
from official.modeling import optimization, performance

from tfseg.modeling import keras_compat


class AveragedOptimizer(optimization.ExponentialMovingAverage):
    """Model Garden's averages of the weights, also below a loss scale.

    Its own apply_gradients does not take the argument with which LossScaleOptimizer says that it
    has summed the replicas' gradients already.

    Attributes:
        stepping: The optimizer whose steps are averaged.
    """

    def __init__(self, optimizer, *args, **kwargs):
        super().__init__(optimizer, *args, **kwargs)
        self.stepping = optimizer

    def apply_gradients(self, grads_and_vars, name=None, experimental_aggregate_gradients=True):
        """See tf_keras.optimizers.legacy.Optimizer.apply_gradients."""
        result = self.stepping.apply_gradients(
            grads_and_vars, name, experimental_aggregate_gradients=experimental_aggregate_gradients
        )
        replicas = tf.distribute.get_replica_context()
        if replicas is None:
            self.update_average(tf.distribute.get_strategy())
        else:
            replicas.merge_call(self.update_average)
        return result


def build_optimizer(
    config: optimization.OptimizationConfig, runtime: cfg.RuntimeConfig | None = None
):
    """Builds the optimizer, with averages and loss scale where they are asked for.

    Args:
        config: Of the trainer.
        runtime: With float16 the loss is scaled; None leaves the optimizer as it is.
    """
    averages = config.ema
    factory = optimization.OptimizerFactory(config.replace(ema=None) if averages else config)
    optimizer = factory.build_optimizer(factory.build_learning_rate())
    if averages:
        optimizer = AveragedOptimizer(optimizer, **averages.as_dict())
    if runtime is None:
        return optimizer
    return performance.configure_optimizer(
        optimizer,
        use_float16=runtime.mixed_precision_dtype == "float16",
        loss_scale=runtime.loss_scale,
    )


def averages_of(optimizer) -> optimization.ExponentialMovingAverage | None:
    """The averages that an optimizer keeps, below its loss scale too; None where it keeps none."""
    if isinstance(optimizer, tf_keras.mixed_precision.LossScaleOptimizer):
        optimizer = optimizer.inner_optimizer
    return optimizer if isinstance(optimizer, optimization.ExponentialMovingAverage) else None


def create_variables(optimizer: tf_keras.optimizers.legacy.Optimizer, weights: list) -> None:
    """Creates an optimizer's own variables, such as momenta, before its first step.

    A tf.function that creates variables is traced twice: a training would wait twice as long for
    its first step. Call it in the scope of the strategy that the model was built in.

    Args:
        optimizer: As build_optimizer gives it.
        weights: The model's trainable variables.
    """
    keras_compat.create_optimizer_variables(optimizer, weights)
    averages = averages_of(optimizer)
    if isinstance(averages, AveragedOptimizer):
        keras_compat.create_optimizer_variables(averages.stepping, weights)
