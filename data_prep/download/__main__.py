"""Entry point: downloads a data set's public raw files, verifies them, unpacks them.

python -m data_prep.download --dataset=modanet --raw_dir=RAW

Run it again after an interruption or a failure: it goes on where it stopped.
"""

from dataclasses import replace
from pathlib import Path

from absl import flags

from data_prep import dataset_registry
from data_prep.download.data_set import download, name_of
from data_prep.download.files import RemoteFile
from data_prep.download.git_tree import GitTree
from data_prep.download.kaggle import KaggleFiles
from tfseg.io import command_line
from tfseg.io.folder_lock import only_one

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_enum(
        "dataset", None, dataset_registry.names_with_downloads(), "Which.", required=True
    )
    command_line.define_path("raw_dir", None, "Where the raw files go.", required=True)
    flags.DEFINE_list("only", [], "Only files whose path contains one of these.")
    flags.DEFINE_string(
        "mirror", None, "URL of a folder with the same paths, to ask before the published places."
    )
    flags.DEFINE_bool("keep_archives", False, "Keep a tar that has been unpacked.")


def _chosen(dataset: str, only: list[str], mirror: str | None) -> tuple:
    files = dataset_registry.downloads(dataset)
    chosen = [file for file in files if not only or any(part in name_of(file) for part in only)]
    if not chosen:
        names = ", ".join(map(name_of, files))
        raise ValueError(f"--only={','.join(only)}: fits none of the files; expected {names}.")
    if mirror is None:
        return tuple(chosen)
    if any(isinstance(file, KaggleFiles) for file in chosen):
        raise ValueError(f"--mirror: {dataset} comes by Kaggle's client, which knows no mirrors.")
    return tuple(_mirrored(file, mirror.rstrip("/")) for file in chosen)


def _mirrored(file: RemoteFile | GitTree, mirror: str) -> RemoteFile | GitTree:
    if isinstance(file, GitTree):
        return replace(file, mirror_url=mirror)
    return replace(file, mirror_url=f"{mirror}/{file.path}")


def main(argv: list[str]) -> None:
    """Reads the flags, downloads, says what comes next."""
    command_line.refuse_arguments(argv)
    with command_line.one_line_errors(again="it goes on where it stopped"):
        files = _chosen(FLAGS.dataset, FLAGS.only, FLAGS.mirror)
        raw_dir = Path(FLAGS.raw_dir)
        with only_one(raw_dir / ".download.lock", "another download", "--raw_dir"):
            download(files, raw_dir, FLAGS.keep_archives)
        built_as = dataset_registry.built_as(FLAGS.dataset)
        print(
            f"next: python -m data_prep.build_tfrecords --dataset={built_as} "
            f"--raw_dir={raw_dir} --data_dir=PREPARED"
        )


if __name__ == "__main__":
    command_line.run(define_flags, main)
