"""What READMEs, docstrings and recipes name is there: files, links, modules to run, flags."""

import re
from pathlib import Path

import pytest
import yaml

from tests.repository import REPO_DIR, git_files
from tfseg.configs import recipes

ROOMS = "tests|tfseg|data_prep|serving|configs"
PATH = re.compile(rf"(?<![\w./-])(?:{ROOMS})/[\w./-]+\.(?:py|md|yaml|flags|proto|sh|js|css|html)\b")
COMMAND = re.compile(rf"python -m ((?:{ROOMS})(?:\.\w+)*)((?:[^\n`]|(?<=\\)\n)*)")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]+)\)")
FLAG = re.compile(r"(?<!\S)--(\w+)")
QUOTED = re.compile(r'"(\w+)"')  # data sets list their flags; none is looked for by call
OF_ABSEIL = {"flagfile", "help", "helpfull", "version"}


@pytest.fixture(scope="module")
def told():
    """Name and content of all that tells people what to run or read."""
    names = git_files("*.md", "*.yaml", "*.flags", "*.py", "Makefile", ":!CHANGELOG.md")
    return [(name, (REPO_DIR / name).read_text("utf-8")) for name in names]


def test_files_that_are_named_exist(told):
    missing = [
        f"{name}: {path}"
        for name, text in told
        for path in PATH.findall(text)
        if not any((base / path).exists() for base in (REPO_DIR, (REPO_DIR / name).parent))
    ]
    assert missing == []


def anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_links_lead_somewhere(told):
    broken = []
    for name, text in told:
        for link in LINK.findall(text) if name.endswith(".md") else ():
            path, _, wanted = link.partition("#")
            target = (REPO_DIR / name).parent / path if path else REPO_DIR / name
            if not target.exists():
                broken.append(f"{name}: {link}")
            elif wanted:
                headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.M)
                if wanted not in map(anchor, headings):
                    broken.append(f"{name}: {link}")
    assert broken == []


def commands(text: str):
    """Module and rest of each `python -m MODULE --flags ...`, lines that go on joined."""
    return COMMAND.findall(re.sub(r"\\\n[ #]*", " ", text))


def test_modules_that_are_to_be_run_exist(told):
    missing = [
        f"{name}: {module}"
        for name, text in told
        for module, _ in commands(text)
        if not any(
            (REPO_DIR / f"{module.replace('.', '/')}{end}").exists()
            for end in (".py", "/__main__.py", "/__init__.py")
        )
    ]
    assert missing == []


def test_flags_of_commands_are_defined_somewhere(told):
    quoted = (QUOTED.findall(text) for name, text in told if name.endswith(".py"))
    defined = OF_ABSEIL.union(*quoted)
    unknown = [
        f"{name}: {module} --{flag}"
        for name, text in told
        for module, rest in commands(text)
        for flag in FLAG.findall(rest)
        if not {flag, flag.removeprefix("no")} & defined
    ]
    assert unknown == []


@pytest.mark.parametrize(
    "path", sorted((REPO_DIR / "configs").glob("*.yaml")), ids=lambda p: p.stem
)
def test_the_command_above_a_recipe_starts_from_what_the_recipe_wants(path):
    head = path.read_text("utf-8").split("\ntask:")[0]
    for module, rest in commands(head):
        if module != "tfseg.train":
            continue
        flagfile = re.search(r"--flagfile=\S+", rest)[0]
        paths = [flag.partition("=")[2] for flag in recipes.expand(["train", flagfile])[1:]]
        tasks = [yaml.safe_load(Path(one).read_text("utf-8")).get("task") or {} for one in paths]
        if any("start" in task for task in tasks):
            assert "--init_from=" in rest or "--from_scratch" in rest
