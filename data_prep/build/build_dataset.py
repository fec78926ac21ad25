"""Builds a prepared data set once, safely: leftovers, reruns, replacement, one build at a time."""

import contextlib
import hashlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import tensorflow as tf
import tensorflow_datasets as tfds

from data_prep.build import tfds_compat
from data_prep.build.builder import PreparedDatasetBuilder
from data_prep.build.preparation import PrepOptions
from data_prep.prepared import INCOMPLETE, REPORT_NAME, open_prepared
from tfseg.io.folder_lock import only_one
from tfseg.io.journal import remove_journal

_ASIDE = ".overwrite"  # below data_dir: where --overwrite builds before it replaces
_REPLACED = "replaced."  # below _ASIDE/<name>: prefix of the version that is being replaced


def build_dataset(
    builder_class: type[PreparedDatasetBuilder],
    raw_dir: Path,
    data_dir: Path,
    options: PrepOptions,
    overwrite: bool = False,
) -> tuple[Path, bool]:
    """Builds a data set unless it is already complete.

    Args:
        builder_class: of the data set.
        raw_dir: its raw files.
        data_dir: gets <name>/<version>/.
        options: the caller's choices.
        overwrite: build anew where there is one already, and replace that at the end.

    Returns:
        The prepared data set's folder, and whether it was complete before.

    Raises:
        ValueError: Something is wrong with the raw files; data_dir holds one made from other raw
            files or with other options; or another build is at work there.
    """
    version = builder_class.version_of(raw_dir, options)
    builder = _builder(builder_class, data_dir, options, version)
    final_dir = Path(builder.data_dir)
    builder.make_raw_files(raw_dir, options)
    state = builder.state(raw_dir)
    with only_one(data_dir / f".{builder.name}.lock", "another build", "--data_dir"):
        _end_interrupted_replacement(data_dir, builder.name)
        _remove_leftovers(data_dir, builder.name)
        if final_dir.exists() and not overwrite:
            _check_state(final_dir, state)
            return final_dir, True
        if final_dir.exists():
            builder = _builder(builder_class, data_dir / _ASIDE, options, version)
        if options.beam_options is None:
            builder.journal_path = _journal_path(data_dir, builder, state)
        _run(builder, raw_dir, options)
        if Path(builder.data_dir) != final_dir:
            _replace(final_dir, Path(builder.data_dir), data_dir / _ASIDE)
        if builder.journal_path is not None:
            remove_journal(builder.journal_path)
    return final_dir, False


def _builder(
    builder_class: type[PreparedDatasetBuilder],
    data_dir: Path,
    options: PrepOptions,
    version: str | None,
) -> PreparedDatasetBuilder:
    builder = builder_class(data_dir=str(data_dir), version=version)
    builder.prep_options = options
    return builder


def _journal_path(data_dir: Path, builder: PreparedDatasetBuilder, state: dict) -> Path:
    """Of this build; removes those of other raw files or options, nobody goes on from them."""
    what = json.dumps([str(builder.version), state], sort_keys=True)
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    path = data_dir / f".{builder.name}-{digest}.journal"
    for other in data_dir.glob(f".{builder.name}-*.journal"):
        if other != path:
            print(f"removing what another interrupted build left: {other}", flush=True)
            remove_journal(other)
    if path.exists():
        print(f"going on with an interrupted build: {path}", flush=True)
    return path


def _run(builder: PreparedDatasetBuilder, raw_dir: Path, options: PrepOptions) -> None:
    config = tfds_compat.SmallSplitsDownloadConfig(
        manual_dir=str(raw_dir),
        try_download_gcs=False,
        num_shards=options.num_shards,
        beam_options=_pipeline_options(options),
    )
    tfds.disable_progress_bar()
    with (
        contextlib.redirect_stdout(io.StringIO()),  # TFDS prints unknown download sizes
        tempfile.TemporaryDirectory() as download_dir,  # it makes one though nothing is downloaded
    ):
        try:
            builder.download_and_prepare(download_dir=download_dir, download_config=config)
        except (tf.errors.OpError, RuntimeError) as error:
            _explain(error, builder, options)
            raise


def _explain(error: Exception, builder: PreparedDatasetBuilder, options: PrepOptions) -> None:
    """Raises a clear error for what TFDS and Beam wrap in a RuntimeError; returns on others."""
    for cause in (error, error.__cause__):
        if isinstance(cause, tf.errors.OpError):
            reason = cause.message.rsplit("; ", 1)[-1]
            raise ValueError(
                f"{builder.data_dir}: the shards cannot be written ({reason}); see that the disk "
                "has space and run the same command again."
            ) from error
    if options.beam_options is not None:
        reason = str(error).strip().splitlines()[-1]
        raise ValueError(f"the Beam pipeline failed: {reason}") from error


def _pipeline_options(options: PrepOptions):
    if options.beam_options is None:
        return None
    try:
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ValueError(
            f"--beam_options: Apache Beam is not installed here ({error}); use an environment made "
            "with `pip install -r requirements-beam.txt`."
        ) from error
    return PipelineOptions([f"--{option}" for option in options.beam_options])


def _end_interrupted_replacement(data_dir: Path, name: str) -> None:
    """Where a kill between the renames of _replace left no data set, puts one in its place."""
    aside = data_dir / _ASIDE / name
    for old_dir in aside.glob(f"{_REPLACED}*"):
        version = old_dir.name.removeprefix(_REPLACED)
        final_dir = data_dir / name / version
        if not final_dir.exists():
            whole_dir = aside / version if _is_whole(aside / version) else old_dir
            print(f"ending an interrupted --overwrite: {whole_dir} -> {final_dir}", flush=True)
            final_dir.parent.mkdir(parents=True, exist_ok=True)
            whole_dir.rename(final_dir)


def _is_whole(version_dir: Path) -> bool:
    try:
        open_prepared(version_dir)
    except ValueError:
        return False
    return True


def _remove_leftovers(data_dir: Path, name: str) -> None:
    aside = data_dir / _ASIDE / name
    for path in (*(data_dir / name).glob(f"{INCOMPLETE}*"), aside):
        if path.exists():
            print(f"removing what an interrupted build left: {path}", flush=True)
            shutil.rmtree(path)


def _check_state(final_dir: Path, wanted: dict) -> None:
    try:
        report = json.loads((final_dir / REPORT_NAME).read_text(encoding="utf-8"))
        made_from = {key: report[key] for key in wanted}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{final_dir}: was not made by this program or is damaged ({error!r}); use "
            "--overwrite or another --data_dir."
        ) from error
    changes = [
        f"--{name} was {made_from['options'].get(name)}, is {value}"
        for name, value in wanted["options"].items()
        if made_from["options"].get(name) != value
    ]
    if made_from["raw_files"] != wanted["raw_files"]:
        changes.append("the raw files have changed")
    if changes:
        raise ValueError(
            f"{final_dir}: is complete, but was made differently ({'; '.join(changes)}); use "
            "--overwrite or another --data_dir."
        )


def _replace(final_dir: Path, new_dir: Path, aside: Path) -> None:
    # A kill between the two renames leaves both sets aside: _end_interrupted_replacement.
    old_dir = new_dir.with_name(_REPLACED + final_dir.name)
    final_dir.rename(old_dir)
    new_dir.rename(final_dir)
    shutil.rmtree(new_dir.parent)
    with contextlib.suppress(OSError):  # another data set may be built aside as well
        aside.rmdir()
