"""Entry point: downloads a data set's public raw files, verifies them, unpacks them.

python -m data_prep.download --dataset=modanet --raw_dir=RAW

Run it again after an interruption or a failure: it goes on where it stopped.
"""

from dataclasses import replace
from pathlib import Path

from absl import app, flags

from data_prep import cli, datasets, download_files, download_kaggle
from data_prep.download_archives import unpack_tar
from data_prep.download_files import RemoteFile
from data_prep.download_http import check_space
from data_prep.download_kaggle import KaggleFiles
from data_prep.only_one import only_one

FLAGS = flags.FLAGS


def define_flags() -> None:
    """Defines the flags; only the program that runs does, so that others can import it."""
    flags.DEFINE_enum("dataset", None, datasets.names_with_downloads(), "Which.", required=True)
    flags.DEFINE_string("raw_dir", None, "Where the raw files go.", required=True)
    flags.DEFINE_list("only", [], "Only files whose path contains one of these.")
    flags.DEFINE_string(
        "mirror", None, "URL of a folder with the same paths, to ask before the published places."
    )
    flags.DEFINE_bool("keep_archives", False, "Keep a tar that has been unpacked.")


def download(
    files: tuple[RemoteFile | KaggleFiles, ...], raw_dir: Path, keep_archives: bool = False
) -> None:
    """Brings everything there that is not there yet; prints what it finds and does.

    Raises:
        ValueError: A file cannot be had, another is in its place, or the disk is too small.
    """
    missing = []
    for file in files:
        if _is_present(file, raw_dir):
            print(f"{_name(file)}: is there and whole", flush=True)
        else:
            missing.append(file)
    num_bytes = sum(_num_bytes_missing(file, raw_dir) for file in missing)
    check_space(raw_dir, num_bytes, "what is missing")
    for file in missing:
        if isinstance(file, KaggleFiles):
            download_kaggle.fetch(file, raw_dir)
            print(f"{_name(file)}: downloaded and unpacked", flush=True)
            continue
        if not download_files.is_present(file, raw_dir):
            download_files.fetch_file(file, raw_dir)
            print(f"{file.path}: downloaded, its {file.checksum[0]} is right", flush=True)
        if file.unpack is not None:
            _unpack(file, raw_dir, keep_archives)


def _is_present(file: RemoteFile | KaggleFiles, raw_dir: Path) -> bool:
    if isinstance(file, KaggleFiles):
        return download_kaggle.is_present(file, raw_dir)
    if file.unpack is None:
        return download_files.is_present(file, raw_dir)
    folder = raw_dir / file.unpack.folder
    if folder.is_dir():
        file.unpack.check(folder)
    return folder.is_dir()


def _num_bytes_missing(file: RemoteFile | KaggleFiles, raw_dir: Path) -> int:
    """What a file still takes on the disk; Kaggle tells its sizes later."""
    if isinstance(file, KaggleFiles):
        return 0
    path = raw_dir / file.path
    have = (p.stat().st_size for p in (path, download_files.part_path(path)) if p.is_file())
    unpacked = file.num_bytes if file.unpack is not None else 0
    return max(0, file.num_bytes - sum(have)) + unpacked


def _unpack(file: RemoteFile, raw_dir: Path, keep_archives: bool) -> None:
    tar_path = raw_dir / file.path
    unpack = file.unpack
    unpack_tar(tar_path, raw_dir / unpack.folder, unpack.holds, unpack.check)
    print(f"{unpack.folder}: unpacked", flush=True)
    if not keep_archives:
        tar_path.unlink()


def _name(file: RemoteFile | KaggleFiles) -> str:
    if isinstance(file, KaggleFiles):
        return file.competition
    return file.unpack.folder if file.unpack else file.path


def _chosen(dataset: str, only: list[str], mirror: str | None) -> tuple:
    files = datasets.downloads(dataset)
    chosen = [file for file in files if not only or any(part in _name(file) for part in only)]
    if not chosen:
        names = ", ".join(map(_name, files))
        raise ValueError(f"--only={','.join(only)}: fits none of the files; expected {names}.")
    if mirror is None:
        return tuple(chosen)
    if not all(isinstance(file, RemoteFile) for file in chosen):
        raise ValueError(f"--mirror: {dataset} comes by Kaggle's client, which knows no mirrors.")
    return tuple(replace(f, mirror_url=f"{mirror.rstrip('/')}/{f.path}") for f in chosen)


def main(argv: list[str]) -> None:
    """Reads the flags, downloads, says what comes next."""
    cli.refuse_arguments(argv)
    with cli.one_line_errors(again="it goes on where it stopped"):
        files = _chosen(FLAGS.dataset, FLAGS.only, FLAGS.mirror)
        raw_dir = Path(FLAGS.raw_dir)
        with only_one(raw_dir / ".download.lock", "another download", "--raw_dir"):
            download(files, raw_dir, FLAGS.keep_archives)
        print(
            f"next: python -m data_prep.build_tfrecords --dataset={FLAGS.dataset} "
            f"--raw_dir={raw_dir} --data_dir=PREPARED"
        )


if __name__ == "__main__":
    define_flags()
    app.run(main)
