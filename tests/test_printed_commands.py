"""Every command that a page or a program prints runs as it is printed, in a fresh project."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click import Context

from codegen.cli import cli
from tests.printed.commands import commands
from tests.printed.project import (
    NAMES,
    ROOT,
    named_in,
    write_chat_templates,
    write_checkpoints,
    write_project,
)
from tests.printed.shell import run, short, write_programs

FEW = ("linear_regression",)
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
RUN_ELSEWHERE = ("docs/teams.md", "docs/edits.md")  # with all that they print: teams/test_page.py
EXEMPT = {  # what a page's commands are not run for, by how they begin
    "pip install": "of an index: .ci/run installs what it needs",
    "python -m pip install": "the same",
    "pytest": "the suite is what runs",
    "python -m pytest": "the same",
    "tgen tune": "needs a GPU",
    "tgen check --diff-only | git apply": "of a stale package: tests/report/test_check_command.py",
    "tgen import $weights": "tests/parity/test_real_weights.py runs that page",
    "python -m generated.efficientnet_lite0": "the same",
    "python -c": "the same",
    "python -m benchmarks.": "takes hours",
    "tgen prune": "of no toy: tests/pruning/test_prune_command.py",
    "python -m generated.few_heads": "the same",
}
PICTURES = (
    "tgen capture torchvision",
    "tgen import resnet50",
    "tgen import flowers",
    "tgen import model.pth",
)
CLASSIFIER = "generated.cnn_fashion"
HOLDERS = {  # of what differs from user to user
    "SPEC": "specs/gpt_char.yaml",
    "generated.CLASSIFIER": CLASSIFIER,
}


def typed(command: str) -> str:
    """A command as it is typed: in pages names stand for what is the reader's own."""
    for holder, ours in HOLDERS.items():
        command = command.replace(holder, ours)
    assert not re.search(r"(?<!\[)\b[A-Z]{3,}\b(?!:)", command), (
        f"what is it to stand for? {command}"
    )
    return short(command)


def check(command: str, project: Path) -> None:
    if "--chat" in command:
        write_chat_templates(project)
    code, out = run(typed(command), project)
    assert code == 0, f"{typed(command)}\n{out}"


# ---- packages ----


def printed_by(package: str) -> list[str]:
    """The commands of a package's README and docstrings, in the order of a run."""
    folder = ROOT / "generated" / package
    texts = [path.read_text() for path in (folder / "README.md", *sorted(folder.glob("*.py")))]
    found = [command for text in texts for command in commands(text)]
    found = [command for command in found if not command.startswith("pytest")]  # the suite does it
    return sorted(dict.fromkeys(found), key=order)


def order(command: str) -> int:
    """What is read is made first: tokenizers, a run, what resumes it, its uses."""
    if "train-tokenizer" in command:
        return 0
    if ".train" in command:
        return 3 if command.startswith("torchrun") else 2 if "--resume" in command else 1
    return 4


def check_package(package: str, folder: Path) -> None:
    found = printed_by(package)
    asked = " ".join([f"specs/{package}", *map(typed, found)])
    project = write_project(folder, named_in(asked))
    if CLASSIFIER in asked:
        check(f"python -m {CLASSIFIER}.train --data images/", project)
    for command in found:
        check(command, project)


@pytest.mark.parametrize("package", FEW)
def test_the_commands_of_a_package_run(package: str, tmp_path: Path) -> None:
    check_package(package, tmp_path / "a project")  # a name that needs quotes


@pytest.mark.long
@pytest.mark.parametrize("package", [name for name in NAMES if name not in FEW])
def test_the_commands_of_every_package_run(package: str, tmp_path: Path) -> None:
    check_package(package, tmp_path / "a project")


# ---- pages ----


def pictures_are_there() -> bool:
    return importlib.util.find_spec("torchvision") is not None


def printed_on(page: str) -> Iterator[str]:
    """The commands of a page, but for those that have their reason not to run here."""
    for command in commands((ROOT / page).read_text()):
        mentioned = len(command.split()) == 2 and command.startswith("tgen")
        needs_more = command.startswith(PICTURES) and not pictures_are_there()
        if not (mentioned or needs_more or command.startswith(tuple(EXEMPT))):
            yield command


@pytest.mark.long
@pytest.mark.parametrize("page", [page for page in PAGES if page not in RUN_ELSEWHERE])
def test_the_commands_of_a_page_run(page: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "a project", named_in((ROOT / page).read_text()))
    write_checkpoints(project)
    for command in printed_on(page):
        check(command, project)


def test_no_exemption_outlives_its_command() -> None:
    printed = [command for page in PAGES for command in commands((ROOT / page).read_text())]
    for start in (*EXEMPT, *PICTURES):
        assert any(command.startswith(start) for command in printed), start


# ---- what programs print ----

SAID = re.compile(r"^(?:next: |.*hint: |.*Example: |\s*)((?:tgen|python -m) .+)$", re.MULTILINE)
STARTS = (
    "tgen new smaller --from specs/gpt_char.yaml --set model.layers=2",
    "tgen import checkpoints/Llama-3.2-1B --name 'imported'",
    "tgen import checkpoints/gpt2/config.json --name from_config --no-test",
    "python -m generated.gpt_char.train --data corpus.txt --out 'a run'",
    "python -m generated.cnn_fashion.train --data images/ --out 'a run'",
    "python -m generated.seq2seq_gru.data train-tokenizer --data pairs.tsv --out 'a file.json'",
    "python -m generated.seq2seq_gru.train --data pairs.tsv --tokenizer tokenizer.json --out 'a b'",
    "python -m generated.dcgan_fashion.train --data images/ --out 'a run'",
)


def follow(command: str, project: Path, seen: set[str]) -> None:
    """Runs a command, and every command that it advises to run next."""
    if command in seen or command.startswith(tuple(EXEMPT)):
        return
    seen.add(command)
    code, out = run(short(command), project)
    assert code == 0, f"{command}\n{out}"
    for following in SAID.findall(out):
        follow(following.strip(), project, seen)


@pytest.mark.long
@pytest.mark.parametrize("start", STARTS)
def test_what_a_program_says_to_run_next_runs(start: str, tmp_path: Path) -> None:
    project = write_project(tmp_path / "a project", named_in(start))
    write_checkpoints(project)
    seen: set[str] = set()
    follow(start, project, seen)
    assert len(seen) > 1 or "train-tokenizer" in start or "cnn" in start or "gan" in start


@pytest.mark.long
def test_what_init_says_to_run_next_runs(tmp_path: Path) -> None:
    write_programs(tmp_path / "bin")
    follow("tgen init", tmp_path, set())


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(cli.commands))
def test_the_example_of_a_help_page_runs(name: str, tmp_path: Path) -> None:
    help_page = cli.commands[name].get_help(Context(cli.commands[name]))
    (example,) = re.findall(r"Example: (.+)", help_page)
    if example.startswith(tuple(EXEMPT)):
        pytest.skip("not to be run here")
    if example.startswith(PICTURES) and not pictures_are_there():
        pytest.skip("needs torchvision")
    project = write_project(tmp_path / "a project", named_in(example))
    write_checkpoints(project)
    if name == "init":
        (project / "pyproject.toml").unlink()
    if name == "watch":  # ends when it is told to
        example = f"timeout --preserve-status --signal INT 9 {example}"
    code, out = run(example, project)
    assert code == (130 if name == "watch" else 0), f"{example}\n{out}"
