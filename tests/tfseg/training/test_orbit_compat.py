"""That the installed Orbit and TensorFlow still do what the compat modules here rely on."""

import gc
import importlib.util
import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orbit
import pytest
import tensorflow as tf

from tfseg.training import orbit_compat, tensorflow_compat


class Counting(orbit.StandardTrainer):
    """A training whose only weight counts the steps."""

    def __init__(self):
        self.step = tf.Variable(0, dtype=tf.int64)
        super().__init__(tf.data.Dataset.range(1).repeat())

    def train_step(self, iterator):
        next(iterator)
        self.step.assign_add(1)


def trained(controller_cls, folder, num_steps=4, interval=2, **attributes):
    trainer = Counting()
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(step=trainer.step),
        str(folder),
        max_to_keep=9,
        step_counter=trainer.step,
        checkpoint_interval=interval,
    )
    controller = controller_cls(
        global_step=trainer.step, trainer=trainer, steps_per_loop=1, checkpoint_manager=manager
    )
    for name, value in attributes.items():
        setattr(controller, name, value)
    controller.train(num_steps)
    return manager


def test_a_saving_controller_hands_on_every_checkpoint(tmp_path):
    parameters = inspect.signature(orbit.Controller._maybe_save_checkpoint).parameters
    assert list(parameters) == ["self", "check_interval"]
    assert parameters["check_interval"].default is True
    saved = []

    trained(orbit_compat.SavingController, tmp_path, num_steps=4, after_save=saved.append)

    # The first loop saves because nothing is saved yet, then every second step, then the end.
    assert saved == [f"{tmp_path}/ckpt-{step}" for step in (1, 3, 4)]
    assert all((tmp_path / f"ckpt-{step}.index").is_file() for step in (1, 3, 4))


def test_orbits_own_controller_hands_on_nothing(tmp_path):
    saved = []
    trained(orbit.Controller, tmp_path, after_save=saved.append)
    assert saved == []


@pytest.fixture
def stock_log(monkeypatch):
    """Orbit's own, whatever trained in this process before."""
    spec = orbit.controller.__spec__
    stock = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stock)
    monkeypatch.setattr(orbit.controller, "_log", stock._log)


def test_the_lines_of_the_loops_are_not_printed(tmp_path, capsys, stock_log):
    assert list(inspect.signature(orbit.controller._log).parameters) == ["message"]
    trained(orbit.Controller, tmp_path / "stock")
    assert "train | step:      1 |" in capsys.readouterr().out

    orbit_compat.leave_out_printed_lines()
    trained(orbit.Controller, tmp_path / "quiet")

    assert capsys.readouterr().out == ""


@pytest.fixture
def chief_checkpoint(tmp_path):
    """A checkpoint of step 5 in a folder that is not the manager's."""
    checkpoint = tf.train.Checkpoint(step=tf.Variable(5, dtype=tf.int64))
    return checkpoint.write(str(tmp_path / "chief-5"))


def workers_manager(folder, initialised):
    step = tf.Variable(0, dtype=tf.int64)
    return step, tf.train.CheckpointManager(
        tf.train.Checkpoint(step=step),
        str(folder),
        max_to_keep=1,
        step_counter=step,
        checkpoint_interval=4,
        init_fn=lambda: initialised.append(True),
    )


def test_a_manager_starts_from_a_checkpoint_elsewhere(tmp_path, chief_checkpoint):
    initialised = []
    step, manager = workers_manager(tmp_path / "worker", initialised)
    assert manager.restore_or_initialize() is None
    assert (int(step), initialised) == (0, [True])  # what a worker would do without help

    step, manager = workers_manager(tmp_path / "other", initialised)
    tensorflow_compat.set_latest_checkpoint(manager, chief_checkpoint)

    assert manager.latest_checkpoint == chief_checkpoint
    assert manager.restore_or_initialize() == chief_checkpoint
    assert (int(step), initialised) == (5, [True])


def test_a_manager_that_started_elsewhere_saves_when_the_chief_does(tmp_path, chief_checkpoint):
    step, manager = workers_manager(tmp_path / "worker", [])
    tensorflow_compat.set_latest_checkpoint(manager, chief_checkpoint)
    manager.restore_or_initialize()
    saved = []
    for _ in range(8):
        step.assign_add(1)
        path = manager.save(checkpoint_number=int(step))
        saved += [path.rsplit("-", 1)[1]] if path else []

    assert saved == ["9", "13"]
    assert tf.io.gfile.exists(f"{chief_checkpoint}.index")  # it is not the worker's to delete


def test_a_manager_without_a_checkpoint_initialises(tmp_path):
    initialised = []
    _, manager = workers_manager(tmp_path / "worker", initialised)
    tensorflow_compat.set_latest_checkpoint(manager, None)

    assert manager.restore_or_initialize() is None
    assert initialised == [True]


@pytest.mark.parametrize("is_chief", [True, False])
def test_a_workers_own_folder_goes_with_its_runner(tmp_path, is_chief):
    runner = orbit_compat.SameStartRunner.__new__(orbit_compat.SameStartRunner)
    step = tf.Variable(0, dtype=tf.int64)
    runner.strategy = SimpleNamespace(extended=SimpleNamespace(should_checkpoint=is_chief))
    runner._model_dir = str(tmp_path)
    runner._params = SimpleNamespace(trainer=SimpleNamespace(max_to_keep=2, checkpoint_interval=1))
    runner._trainer = SimpleNamespace(
        checkpoint=tf.train.Checkpoint(step=step), global_step=step, initialize=lambda: None
    )
    manager = runner._maybe_build_checkpoint_manager()
    saved = Path(manager.save(checkpoint_number=1) + ".index")
    assert saved.is_file() and (saved.parent == tmp_path) is is_chief

    del runner
    gc.collect()

    assert saved.is_file() is saved.parent.is_dir() is is_chief


@pytest.mark.parametrize("compiled", [False, True])
def test_what_comes_after_is_computed_again_and_no_sooner(compiled):
    @tf.function(jit_compile=compiled)
    def twice(value):
        first = tf.sin(value)
        return first + tf.sin(tensorflow_compat.after(value, [first]))

    np.testing.assert_allclose(twice(tf.constant([0.5])), [2 * np.sin(0.5)], rtol=1e-6)
    if compiled:  # what the compiler is given; that for the CPU drops barriers
        hlo = twice.experimental_get_compiler_ir(tf.constant([0.5]))("hlo")
        assert "opt-barrier" in hlo and hlo.count(" sine(") == 2
    else:
        operations = twice.get_concrete_function(tf.constant([0.5])).graph.get_operations()
        assert any(one.control_inputs for one in operations if one.type == "Identity")
