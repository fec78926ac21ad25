"""Runs the inputs that once failed, and prints a table: case, verdict, what was got.

    python -m tests.run_cases [--got] [CASE ...]

The cases lie beside the real photos (TFSEG_STREET_DIR/../cases): each a folder with run.sh, its
input and expected.txt. A case is right where its output matches every pattern here. They run the
checkout's .venv/bin/python. What some want is made: DATA, a prepared data set; a server of the
model in the box; an export of a review, for an annotation tool's own package, whose interpreter
ANNOTATION_TOOL_PYTHONS names (tests/data_prep/convert/tool_scripts/README.md).
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.data_prep.convert.tool_runs import interpreter

REPO_DIR = Path(__file__).resolve().parents[1]
CASES_DIR = Path(os.environ.get("TFSEG_STREET_DIR", REPO_DIR / "../shared/street")).parent / "cases"
WHOLE = (r"photos in raw files +12\n +kept +12\n.*in raw files +24\n +kept +24", "exit code 0")
AS_GIVEN = (r"train photos +9 ", r"val photos +3 ", "exit code 0")
NO_MASK = (r"error: .*no mask.*got segmentation (\[\]|null), expected polygons", "exit code 1")
PYTHON = REPO_DIR / ".venv/bin/python"
PATTERNS = {
    "01": WHOLE, "02": WHOLE, "03": WHOLE, "04": AS_GIVEN, "07": AS_GIVEN,
    "05": ("'top-pants' \\(id 0\\) is the group of the others", *WHOLE),
    "06": ("'top' \\(id 0\\) is the group of the others", *WHOLE),
    "09": WHOLE, "11": WHOLE, "16": WHOLE, "18": WHOLE, "21": WHOLE, "25": WHOLE, "26": WHOLE,
    "27": WHOLE, "30": WHOLE, "32": WHOLE, "34": WHOLE, "41": WHOLE, "50": WHOLE,
    "10": (r"images\[0\] has id 'photo_01', expected a whole number; number the images",),
    "13": NO_MASK, "14": NO_MASK, "15": NO_MASK, "42": NO_MASK,
    "20": (r"a polygon of 2 points \(4 numbers\)", "exit code 1"),
    "22": ("is UTF-16 text, expected UTF-8; save it as UTF-8", "exit code 1"),
    "23": ("is a list, .*expected an object with the lists images, annotations", "exit code 1"),
    "31": ("height and width swapped", "exit code 1"),
    "36": ("id 2 with 12 annotations, id 9 with 0", "exit code 1"),
    "37": ("categories is empty", "exit code 1"),
    "38": ("got category_id 0, expected one of 1, 2", "exit code 1"),
    "43": (r"entry of the same photo merged +12", r"instances 22", "exit code 0"),
    "46": (r"kept +8\n", "photo is heic", "photo is empty file", "photo is web page"),
    "51": ("warning: .*12 of 24 annotations have iscrowd: 1", "--crowds=instances"),
    "61": (r"kept +12\n.*kept +24", "exit code 0"),
    "65": ("no mask: .*got EncodedPixels '', expected run lengths", "exit code 1"),
    "66": (r"kept +12\n.*kept +24", "exit code 0"),
    "68": ("height and width swapped", "exit code 1"),
    "69": (r"kept +12\n.*kept +24", "exit code 0"),
    "70": (r"== hash_prefix\n.*6 photos imported\n.*== backslash\n.*6 photos imported\n",
           r"== null_size\n.*5 photos imported"),
    "71": ("5 photos .*: 5 good",),
    "72": (r"6 images and 6 annotations.*Import [^\n]*tasks.json",),
    "73": ("stream False items 6 .*stream True items 6 ",),
    "74": ('"confidence": 1.0',),
    "75": ("--dataset=coco .* reads them",),
    "80": (r"=== b_perfect.*\nall +100.0 +100.0 +100.0", r"=== e_string.*\nall +100.0",
           "has no mask", r"COCO's is \[x, y, width, height\]"),
    "90": (r"gzip body[^\n]*: 200", "chunked: 200", r"wrong input name images: 400 .*it has images",
           r"pixels 0..255 as floats[^\n]*: 200", "jpeg body: 400 .*got JPEG in the body"),
    "91": (r"train_steps: got 'abc', expected a whole number", "train_steps: got '2,trainer"),
}  # fmt: skip
# The package that a case wants, and as what an export writes masks for it. The case's own export is
# one of those that were not read.
TOOLS = {"72": ("label_studio_converter", "polygons"), "73": ("datumaro", "rle")}
_REVIEWED = "70_review_label_studio_back"  # the case whose review is exported
_WITH_SERVER = "90"
_LONGEST_S = 600
_PREPARED_FROM = "01"  # the case whose raw files become DATA


def run(case: Path) -> str:
    """Runs a case in folders of its own; what it printed."""
    number = case.name[:2]
    with tempfile.TemporaryDirectory() as out, contextlib.ExitStack() as running:
        environment = {**os.environ, "PROJ": str(REPO_DIR), "OUT": out, "TF_CPP_MIN_LOG_LEVEL": "3"}
        if number in TOOLS:
            package, masks_as = TOOLS[number]
            environment["TOOLS"] = str(Path(interpreter(package) or "").parent)
            case = with_new_export(case, out, masks_as)
        if number == _WITH_SERVER:
            running.enter_context(serving())
            photos = (CASES_DIR / _REVIEWED / "PHOTOS").rglob("*.jpg")
            environment.setdefault("PHOTO", str(next(photos)))
        if "${DATA:?" in (case / "run.sh").read_text(encoding="utf-8"):
            environment.setdefault("DATA", prepared(out))
        ended = subprocess.run(
            ["bash", str(case / "run.sh")],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
            timeout=_LONGEST_S,
        )
    return ended.stdout


def prepared(folder: str) -> str:
    """Builds a small prepared data set in a folder; returns where it is."""
    [raw] = CASES_DIR.glob(f"{_PREPARED_FROM}_*")
    data_dir = f"{folder}/prepared"
    command = [str(PYTHON), "-m", "data_prep.build_tfrecords", "--dataset=coco"]
    flags = [f"--raw_dir={raw / 'RAW'}", f"--data_dir={data_dir}", "--num_workers=1"]
    subprocess.run([*command, *flags], cwd=REPO_DIR, check=True, capture_output=True)
    return data_dir


def with_new_export(case: Path, folder: str, masks_as: str) -> Path:
    """Copies a case, with what a review exports today in the place of its export.json."""
    copied = Path(folder) / case.name
    shutil.copytree(case, copied)
    reviewed = shutil.copytree(CASES_DIR / _REVIEWED, Path(folder) / _REVIEWED)
    command = [str(PYTHON), "-m", "data_prep.review", f"--dir={reviewed / 'MASKS'}"]
    flags = [f"--export_coco={copied / 'export.json'}", f"--export_masks={masks_as}"]
    subprocess.run([*command, *flags], cwd=REPO_DIR, check=True, capture_output=True)
    return copied


@contextlib.contextmanager
def serving() -> Iterator[None]:
    """Serves the model in the box at the ports that the case asks."""
    command = [str(PYTHON), "-m", "serving.server", "--port=18500", "--rest_api_port=18501"]
    server = subprocess.Popen(command, cwd=REPO_DIR, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout
        if not any(line.startswith("serving ") for line in server.stdout):
            raise RuntimeError(f"{' '.join(command)}: ended with {server.wait()}")
        yield
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Prints the table; exit code 1 where a case is not as expected."""
    wanted = [argument for argument in sys.argv[1:] if argument != "--got"]
    if not CASES_DIR.is_dir():
        print(f"no cases at {CASES_DIR}; set TFSEG_STREET_DIR")
        return
    if not PYTHON.exists():
        sys.exit(f"error: no {PYTHON}, which the cases run; make it (make .venv/installed).")
    num_wrong = 0
    cases = sorted(path for path in CASES_DIR.iterdir() if (path / "run.sh").is_file())
    for name in wanted:
        if not any(case.name.startswith(name) for case in cases):
            sys.exit(f"error: {CASES_DIR} has no case {name}.\n\n{__doc__}")
    for case in cases:
        number = case.name[:2]
        if wanted and not any(case.name.startswith(name) for name in wanted):
            continue
        if number not in PATTERNS:
            print(f"{case.name:36} not run: no pattern here says what is expected", flush=True)
            continue
        if number in TOOLS and interpreter(TOOLS[number][0]) is None:
            how = "tests/data_prep/convert/tool_scripts/README.md"
            print(f"{case.name:36} not run: no {TOOLS[number][0]} ({how})", flush=True)
            continue
        try:
            got = run(case)
        except subprocess.TimeoutExpired:
            got = f"no end within {_LONGEST_S} s"
        missing = [p for p in PATTERNS[number] if not re.search(p, got, re.DOTALL)]
        num_wrong += bool(missing)
        last = next((line for line in reversed(got.splitlines()) if line.strip()), "")
        verdict = "as expected" if not missing else f"NOT: {missing[0]}"
        print(f"{case.name:36} {verdict}", flush=True)
        if missing or "--got" in sys.argv:
            expected = (case / "expected.txt").read_text(encoding="utf-8").strip()
            print(f"    expected: {expected}\n    got: {last[:300]}", flush=True)
    sys.exit(num_wrong > 0)


if __name__ == "__main__":
    main()
