"""Kaggle's real client against a server of ours."""

import json
import random
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPO_DIR = Path(__file__).resolve().parents[3]
COMPETITION = "imaterialist-fashion-2019-FGVC6"
TOKEN = "KGAT_a_users_token"
# The client can ask http://localhost instead; the port is ours.
PROGRAM = """
import sys
from kagglesdk import kaggle_env
kaggle_env._env_to_endpoint[kaggle_env.KaggleEnv.LOCAL] = sys.argv.pop(1)
from data_prep.download import __main__ as download
from absl import app
download.define_flags()
app.run(download.main)
"""
FILES = {
    "train/a.jpg": b"photo a",
    "train/b.jpg": b"photo b",
    "test/c.jpg": b"photo c",
    "train.csv": b"ImageId,EncodedPixels,Height,Width,ClassId\n",
    "label_descriptions.json": b"{}",
    "sample_submission.csv": b"ImageId,EncodedPixels,ClassId\n",
}


class FakeKaggle:
    """Answers what the client asks on its way to a competition's zip."""

    def __init__(self, zip_bytes):
        self.zip_bytes = zip_bytes
        self.status = 200
        self.num_breaks = 0
        self.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def _handler(kaggle):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            name = self.path.rpartition("/")[2]
            kaggle.asked.append(name)
            if name == "IntrospectToken":
                active = body["token"] == TOKEN
                self._json(200, {"active": active, "username": "someone" if active else ""})
            elif name != "DownloadDataFiles":
                self._json(404, {"code": 404, "message": f"no {name}"})
            elif kaggle.status != 200:
                self._json(kaggle.status, {"code": kaggle.status, "message": "Permission denied"})
            else:
                assert body["competitionName"] == COMPETITION
                self.send_response(302)
                self.send_header("Location", "/data/all.zip")
                self.send_header("Content-Length", "0")
                self.end_headers()

        def do_GET(self):
            asked = self.headers.get("Range")
            kaggle.asked.append(asked)
            start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
            body = kaggle.zip_bytes[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Type", "application/zip")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("ETag", '"1"')
            self.send_header("Last-Modified", "Tue, 01 Oct 2019 10:00:00 GMT")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            breaks = kaggle.num_breaks > 0
            kaggle.num_breaks -= 1
            self.wfile.write(body[: len(body) // 2] if breaks else body)
            self.close_connection = breaks

        def _json(self, status, answer):
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@pytest.fixture
def kaggle(tmp_path):
    kaggle = FakeKaggle(zip_bytes(tmp_path, FILES))
    yield kaggle
    kaggle.close()


def zip_bytes(folder, files):
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return (folder / "all.zip").read_bytes()


def download(kaggle, tmp_path, token=TOKEN, program=PROGRAM):
    environment = {
        "PYTHONPATH": str(REPO_DIR),
        "PATH": "",
        "HOME": str(tmp_path),  # no token of whoever runs the tests
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        **({"KAGGLE_API_TOKEN": token} if token else {}),
    }
    flags = ["--dataset=fgvc6", f"--raw_dir={tmp_path / 'raw'}"]
    return subprocess.run(
        [sys.executable, "-c", program, kaggle.url, *flags],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def contents(raw_dir):
    paths = [path for path in raw_dir.rglob("*") if path.is_file()]
    found = {path.relative_to(raw_dir).as_posix(): path.read_bytes() for path in paths}
    return {name: found[name] for name in found if not name.startswith(".")}


def test_kaggle_files_come_unpacked_and_are_found_again(kaggle, tmp_path):
    ended = download(kaggle, tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert contents(tmp_path / "raw") == FILES
    assert not list((tmp_path / "raw").glob("*.zip")) + list((tmp_path / "raw").glob(".*.zip"))

    kaggle.asked.clear()
    ended = download(kaggle, tmp_path)
    assert (ended.returncode, kaggle.asked) == (0, [])
    assert f"{COMPETITION}: is there and whole" in ended.stdout

    (tmp_path / "raw/train/b.jpg").write_bytes(b"pho")
    ended = download(kaggle, tmp_path)
    assert ended.returncode == 1
    assert "1 of 6 files are missing or have another size (e.g. train/b.jpg)" in ended.stderr


def test_kaggle_download_goes_on_after_a_break(kaggle, tmp_path):
    files = {**FILES, "train/large.jpg": random.Random(1).randbytes(3_000_000)}
    kaggle.zip_bytes = zip_bytes(tmp_path, files)
    kaggle.num_breaks = 1
    ended = download(kaggle, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert contents(tmp_path / "raw") == files
    assert kaggle.asked[-2:] == [None, "bytes=1048576-"]  # the client keeps whole MiB


@pytest.mark.parametrize("token", [None, "KGAT_another"])
def test_kaggle_without_a_valid_token_says_how_to_get_one(kaggle, tmp_path, token):
    ended = download(kaggle, tmp_path, token)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: Kaggle knows no token, or not this one: make an API")
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_kaggle_refusal_names_the_rules(kaggle, tmp_path):
    kaggle.status = 403
    ended = download(kaggle, tmp_path)
    assert ended.returncode == 1
    assert f"https://www.kaggle.com/competitions/{COMPETITION}/rules" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_kaggle_zip_without_what_is_needed(kaggle, tmp_path):
    kaggle.zip_bytes = zip_bytes(tmp_path, {"train.csv": b"", "images/a.jpg": b""})
    ended = download(kaggle, tmp_path)
    assert ended.returncode == 1
    assert "has no test, train, sample_submission.csv, label_descriptions.json" in ended.stderr
    assert contents(tmp_path / "raw") == {}


def test_kaggle_client_that_is_not_installed(kaggle, tmp_path):
    without = PROGRAM.replace("import sys\n", "import sys\nsys.modules['kaggle'] = None\n", 1)
    ended = download(kaggle, tmp_path, program=without)
    assert ended.returncode == 1
    assert "Kaggle's client is not installed" in ended.stderr
    assert "pip install kaggle" in ended.stderr
