"""Loads new versions as they appear, switches to them and lets the old ones end.

The damaged never replace the good: a version that cannot be loaded, or whose warm-up requests fail,
is named and passed over until its files change; what was served before is served on, and a label
moves only to a version that is loaded. A model that the configuration no longer names is retired.
"""

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc

from serving.servables.model_config import ModelConfig
from serving.servables.model_store import ModelStore, ServedVersion, State, VersionState
from tfseg.io.version_folders import numbered_versions

_Fingerprint = tuple[tuple[str, int, int], ...]


class VersionWatcher:
    """Keeps a ModelStore as the folders and the configuration want it."""

    def __init__(
        self,
        store: ModelStore,
        read_configs: Callable[[], Sequence[ModelConfig]],
        load_version: Callable[[int, Path], ServedVersion],
        report: Callable[[str], None],
    ):
        """Prepares; nothing is loaded before update or start.

        Args:
            store: What requests are answered from.
            read_configs: Called every round; may raise ValueError, which leaves all as it is.
            load_version: Loads and warms a version; what it raises is what is wrong with it.
            report: Takes one line for the operator.
        """
        self._store = store
        self._read_configs = read_configs
        self._load_version = load_version
        self._operator = report
        self._damaged: dict[tuple[str, int], _Fingerprint] = {}
        self._last_complaint = ""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, poll_s: float) -> None:
        """Updates every poll_s seconds from now on, in a thread."""
        self._thread = threading.Thread(target=self._watch, args=(poll_s,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the watching; loads nothing more."""
        self._stopping.set()

    def _watch(self, poll_s: float) -> None:
        while not self._stopping.wait(poll_s):
            try:
                self.update()
                self._last_complaint = ""
            except Exception as error:  # whatever it is, the next version must still be seen
                complaint = str(error) or type(error).__name__
                if complaint != self._last_complaint:
                    self._last_complaint = complaint
                    self._report(f"error: {complaint} What is loaded is served on.")

    def _report(self, line: str) -> None:
        """Tells the operator; a closed stderr or a full disk behind it ends nothing."""
        with contextlib.suppress(OSError, ValueError):
            self._operator(line)

    def update(self) -> None:
        """One round: loads what is wanted and retires what is not.

        Raises:
            ValueError: The configuration cannot be read, or a model's folder has no version.
        """
        complaint = None
        configs = self._read_configs()
        for config in configs:
            try:
                self._update_model(config)
            except (ValueError, OSError) as error:  # the other models first
                complaint = complaint or error
        for name in set(self._store.models()) - {config.name for config in configs}:
            self._store.set_labels(name, {})
            for number in self._store.versions(name):
                self._retire(name, number)
        if complaint:
            raise complaint

    def _update_model(self, config: ModelConfig) -> None:
        name = config.name
        # A label may move between loaded versions even where the folder is unreadable.
        self._set_labels(config)
        paths = numbered_versions(config.base_path)
        while not self._stopping.is_set():
            usable = {number for number, path in paths.items() if not self._is_damaged(name, path)}
            wanted = config.wanted(usable)
            missing = wanted - set(self._store.versions(name))
            if not missing:
                break
            self._load(name, max(missing), paths[max(missing)])
        self._set_labels(config)
        if not wanted:
            return  # better an old answer than none
        for number in self._store.versions(name):
            if number not in wanted | self._still_labelled(config):
                self._retire(name, number)

    def _set_labels(self, config: ModelConfig) -> None:
        """Moves the labels whose versions are loaded; the others mean what they meant."""
        loaded, before = self._store.versions(config.name), self._store.labels(config.name)
        labels = {
            label: number if number in loaded else before.get(label, number)
            for label, number in config.labels.items()
        }
        self._store.set_labels(config.name, labels)

    def _still_labelled(self, config: ModelConfig) -> set[int]:
        """The versions that a label still means because its own is not loaded."""
        labels = self._store.labels(config.name)
        return {labels[label] for label, number in config.labels.items() if labels[label] != number}

    def _is_damaged(self, name: str, path: Path) -> bool:
        known = self._damaged.get((name, int(path.name)))
        return known is not None and known == _fingerprint(path)

    def _load(self, name: str, number: int, path: Path) -> None:
        fingerprint = _fingerprint(path)
        self._store.set_state(name, number, VersionState(State.LOADING))
        try:
            served = self._load_version(number, path)
        except Exception as error:  # a damaged SavedModel can raise anything
            reason = str(error)
            if not isinstance(error, ValueError):
                reason = f"{path}: cannot be loaded: {type(error).__name__}: {error}"
            self._damaged[name, number] = fingerprint
            code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            self._store.set_state(name, number, VersionState(State.END, code, reason))
            self._report(f"error: {name} version {number} is not served: {reason}")
            return
        self._store.add(name, served)
        self._report(f"loaded {name} version {number}")

    def _retire(self, name: str, number: int) -> None:
        served = self._store.remove(name, number)

        def end():
            served.close_when_unused()
            self._store.set_state(name, number, VersionState(State.END))
            self._report(f"unloaded {name} version {number}")

        # Not here: a long request must not keep the next version waiting.
        threading.Thread(target=end, daemon=True).start()


def _fingerprint(path: Path) -> _Fingerprint:
    """Changes when a version's files do, such as when the rest of a copy arrives."""
    states = []
    for file in sorted(path.rglob("*")):
        try:
            state = file.stat()
        except OSError:  # removed meanwhile
            continue
        states.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(states)
