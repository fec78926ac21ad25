"""A Kaggle competition's files by Kaggle's own client and the user's token."""

import contextlib
import io
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import requests

from data_prep.download.archives import aside_path, unpack_zip
from data_prep.download.http import check_space
from tfseg.io.atomic_files import write_whole

_HOW_TO_LOG_IN = (
    "make an API token at https://www.kaggle.com/settings/api and put it into the environment "
    "variable KAGGLE_API_TOKEN or the file ~/.kaggle/access_token (or an older kaggle.json into "
    "~/.kaggle/), then run again"
)


@dataclass(frozen=True)
class KaggleFiles:
    """What Kaggle publishes for a competition.

    Attributes:
        competition: its name in Kaggle's URLs.
        entries: files and folders that must come out of its zip; the last is put in place last,
            so that where it is, all are.
        folder: where they go, below --raw_dir; empty: straight into it.
    """

    competition: str
    entries: tuple[str, ...]
    folder: str = ""

    @property
    def rules_url(self) -> str:
        """Where the rules are accepted, without which there is no download."""
        return f"https://www.kaggle.com/competitions/{self.competition}/rules"


def is_present(files: KaggleFiles, raw_dir: Path) -> bool:
    """Whether everything is there, by the sizes noted when it was unpacked.

    Files that were put there by hand have no such note; then all entries must be there.

    Raises:
        ValueError: Some of what was unpacked is missing or has another size.
    """
    folder = raw_dir / files.folder
    if not all((folder / entry).exists() for entry in files.entries):
        return False
    note_path = _note_path(files, folder)
    if not note_path.is_file():
        return True
    sizes = json.loads(note_path.read_text(encoding="utf-8"))
    wrong = [name for name, size in sizes.items() if _size(folder / name) != size]
    if wrong:
        entries = ", ".join(sorted({name.split("/")[0] for name in wrong}))
        raise ValueError(
            f"{folder}: {len(wrong)} of {len(sizes)} files are missing or have another size (e.g. "
            f"{wrong[0]}); remove {entries} and run again."
        )
    return True


def fetch(files: KaggleFiles, raw_dir: Path) -> None:
    """Downloads (Kaggle's client resumes), unpacks aside, then puts everything in place.

    Raises:
        ValueError: The client or its token is missing, Kaggle refuses, the disk is too small, or
            the zip is damaged or lacks an entry.
    """
    folder = raw_dir / files.folder
    folder.mkdir(parents=True, exist_ok=True)
    zip_path = _download_zip(files, folder)
    aside = aside_path(folder / files.competition)
    try:
        sizes = unpack_zip(zip_path, aside)
    except ValueError:
        zip_path.unlink(missing_ok=True)
        raise
    missing = [entry for entry in files.entries if not (aside / entry).exists()]
    if missing:
        got = ", ".join(sorted(path.name for path in aside.iterdir())) or "nothing"
        raise ValueError(
            f"{zip_path}: has no {', '.join(missing)}, got {got}; the competition's files may have "
            "changed, see the data set's README."
        )
    # What is there already is the user's: it stays, and is not noted.
    new = [entry for entry in files.entries if not (folder / entry).exists()]
    noted = {name: size for name, size in sizes.items() if name.split("/")[0] in new}
    write_whole(_note_path(files, folder), json.dumps(noted), "what was unpacked", sync=True)
    for entry in new:
        (aside / entry).replace(folder / entry)
    shutil.rmtree(aside)
    zip_path.unlink()


def _download_zip(files: KaggleFiles, folder: Path) -> Path:
    api = _logged_in_client()
    from kagglesdk.competitions.types.competition_api_service import ApiDownloadDataFilesRequest

    zip_path = folder / f".{files.competition}.zip"  # the client writes in place
    request = ApiDownloadDataFilesRequest()
    request.competition_name = files.competition
    try:
        with api.build_kaggle_client() as kaggle:
            competitions = kaggle.competitions.competition_api_client
            response = competitions.download_data_files(request)
            num_bytes = int(response.headers.get("Content-Length", 0))
            have = zip_path.stat().st_size if zip_path.exists() else 0
            # The zip and what is unpacked from it: photos, which hardly shrink.
            check_space(folder, 2 * num_bytes - have, files.competition)
            if api.download_needed(response, str(zip_path)):
                with contextlib.redirect_stdout(sys.stderr):
                    api.download_file(
                        response, str(zip_path), kaggle.http_client(), quiet=False, resume=True
                    )
    except requests.RequestException as error:
        raise ValueError(_refusal(files, error)) from error
    return zip_path


def _logged_in_client():
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # the import alone prints advice
            from kaggle.api.kaggle_api_extended import KaggleApi
    except ImportError as error:
        raise ValueError(
            f"Kaggle's client is not installed ({error}); run pip install kaggle."
        ) from error
    api = KaggleApi()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            api.authenticate()
    except SystemExit as error:
        raise ValueError(f"Kaggle knows no token, or not this one: {_HOW_TO_LOG_IN}.") from error
    except requests.RequestException as error:
        raise ValueError(f"Kaggle cannot check the token ({error}); run again later.") from error
    return api


def _refusal(files: KaggleFiles, error: requests.RequestException) -> str:
    status = error.response.status_code if error.response is not None else None
    advice = {
        401: f"the token is not accepted: {_HOW_TO_LOG_IN}",
        403: f"accept the competition's rules at {files.rules_url}, then run again",
        404: "there is no such competition any more",
    }.get(status or 0, "run the same command again, it goes on where it stopped")
    return f"Kaggle does not give {files.competition} ({error}); {advice}."


def _note_path(files: KaggleFiles, folder: Path) -> Path:
    return folder / f".{files.competition}.json"


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
