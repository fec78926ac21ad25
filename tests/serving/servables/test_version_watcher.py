import threading

import pytest

from serving.servables.model_config import ModelConfig
from serving.servables.model_store import ModelStore, State
from serving.servables.version_watcher import VersionWatcher


class FakeVersion:
    """Stands for a loaded SavedModel: these tests are about which is loaded when."""

    def __init__(self, version):
        self.version = version
        self.closed = threading.Event()

    def close_when_unused(self):
        self.closed.set()


class Scene:
    """A folder of versions, what the watcher did with it and what it said."""

    def __init__(self, base_path):
        self.base_path = base_path
        self.config = {}
        self.store = ModelStore()
        self.versions = {}
        self.said = []
        self.tries = []
        self.odd = None
        self.labels_while_loading = []
        self.configs = None
        self.watcher = VersionWatcher(
            self.store,
            lambda: self.configs or [ModelConfig("fashion", base_path, **self.config)],
            self._load,
            self.said.append,
        )

    def _load(self, number, path):
        self.tries.append(number)
        if self.odd:
            raise self.odd
        self.labels_while_loading.append(self.store.labels("fashion"))
        if (path / "damaged").exists():
            raise ValueError(f"{path}: cannot load the SavedModel: cut short")
        self.versions[number] = FakeVersion(number)
        return self.versions[number]

    def write(self, number, damaged=False):
        (self.base_path / str(number)).mkdir(exist_ok=True)
        (self.base_path / str(number) / ("damaged" if damaged else "saved_model.pb")).touch()

    def states(self):
        return {number: state.state for number, state in self.store.states("fashion").items()}


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_update_switches_to_a_new_version(scene):
    scene.write(1)
    scene.watcher.update()
    assert scene.store.versions("fashion") == [1]

    scene.write(2)
    scene.watcher.update()

    assert scene.store.versions("fashion") == [2]
    assert scene.versions[1].closed.wait(5)
    scene.watcher.update()
    assert scene.tries == [1, 2]
    assert scene.said[:2] == ["loaded fashion version 1", "loaded fashion version 2"]


def test_update_passes_over_a_damaged_version_until_its_files_change(scene):
    scene.write(1)
    scene.write(2, damaged=True)

    scene.watcher.update()
    scene.watcher.update()

    assert scene.store.versions("fashion") == [1]
    assert scene.tries == [2, 1]
    assert scene.states() == {1: State.AVAILABLE, 2: State.END}
    assert scene.store.states("fashion")[2].error_message.endswith("cut short")
    assert f"fashion version 2 is not served: {scene.base_path}/2: cannot" in scene.said[0]

    (scene.base_path / "2" / "damaged").unlink()
    scene.write(2)
    scene.watcher.update()

    assert scene.store.versions("fashion") == [2]


def test_update_keeps_the_last_version_when_the_folder_empties(scene):
    scene.write(1)
    scene.watcher.update()
    (scene.base_path / "1" / "saved_model.pb").unlink()
    (scene.base_path / "1").rmdir()

    with pytest.raises(ValueError, match="has no numbered version folder"):
        scene.watcher.update()

    assert scene.store.versions("fashion") == [1]
    assert not scene.versions[1].closed.is_set()


@pytest.mark.parametrize(
    ("config", "served"),
    [
        ({"num_latest": 2}, [3, 10]),
        ({"num_latest": None}, [1, 3, 10]),
        ({"specific": (1, 3, 99)}, [1, 3]),
    ],
)
def test_update_follows_the_policy(scene, config, served):
    scene.config = config
    for number in (1, 3, 10):
        scene.write(number)

    scene.watcher.update()

    assert scene.store.versions("fashion") == served


def test_update_moves_labels(scene):
    scene.config = {"num_latest": 2, "labels": {"stable": 1, "canary": 2}}
    scene.write(1)
    scene.write(2)
    scene.watcher.update()
    assert scene.store.number_of_label("fashion", "canary") == 2

    scene.config = {"num_latest": 2, "labels": {"stable": 2}}
    scene.watcher.update()

    assert scene.store.number_of_label("fashion", "stable") == 2


def test_update_moves_a_label_only_to_a_loaded_version(scene):
    scene.config = {"labels": {"stable": 1}}
    scene.write(1)
    scene.watcher.update()
    scene.write(2, damaged=True)
    scene.config = {"labels": {"stable": 2}, "specific": (2,)}

    scene.watcher.update()

    assert scene.labels_while_loading[-1] == {"stable": 1}
    assert scene.store.number_of_label("fashion", "stable") == 1

    (scene.base_path / "2" / "damaged").unlink()
    scene.write(2)
    scene.watcher.update()

    assert scene.labels_while_loading[-1] == {"stable": 1}
    assert scene.store.number_of_label("fashion", "stable") == 2
    assert scene.store.versions("fashion") == [2]


def test_update_keeps_the_version_that_a_waiting_label_still_means(scene):
    scene.config = {"num_latest": 2, "labels": {"stable": 1, "canary": 3}}
    scene.write(1)
    scene.write(3)
    scene.watcher.update()
    scene.write(4)
    scene.write(2, damaged=True)
    scene.config = {"num_latest": 2, "labels": {"stable": 2, "canary": 4}}

    scene.watcher.update()

    assert scene.store.number_of_label("fashion", "stable") == 1
    assert scene.store.number_of_label("fashion", "canary") == 4


def test_an_odd_error_of_one_version_is_its_own(scene):
    scene.write(1)
    scene.watcher.update()
    scene.write(2)
    scene.odd = KeyError("collection")

    scene.watcher.update()

    assert scene.store.versions("fashion") == [1]
    assert scene.said[-1].endswith("/2: cannot be loaded: KeyError: 'collection'")
    assert scene.states()[2] == State.END


def test_update_retires_a_model_that_is_no_longer_named(scene):
    scene.write(1)
    scene.watcher.update()
    scene.configs = [ModelConfig("other", scene.base_path)]

    scene.watcher.update()

    assert scene.store.models() == ["other"]
    first = scene.said.index("loaded other version 1")
    assert first > 0 and scene.store.versions("fashion") == []


def test_start_watches_until_stopped(scene):
    scene.write(1)
    scene.watcher.start(0.01)
    for _ in range(500):
        if scene.store.versions("fashion") == [1]:
            break
        threading.Event().wait(0.01)
    scene.watcher.stop()

    assert scene.store.versions("fashion") == [1]


def test_a_number_that_is_no_version_is_passed_over(tmp_path):
    from tfseg.io.version_folders import numbered_versions

    for name in ("1", "9999999999999999999", "007", "-3", "1e3"):
        (tmp_path / name).mkdir()
    assert sorted(numbered_versions(tmp_path)) == [1, 7]


def test_an_operator_who_cannot_be_told_does_not_end_the_watching(tmp_path):
    scene = Scene(tmp_path)

    def closed(line):
        raise BrokenPipeError(line)

    scene.watcher._operator = closed
    (tmp_path / "1").mkdir()
    scene.watcher.update()
    assert list(scene.versions) == [1]
