"""What tgen prints is readable in a terminal of 80 columns, and in narrower and wider ones."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest

from codegen.cli import cli, main
from codegen.cli.help import summary
from codegen.errors import Diagnostic, Position
from codegen.plan import lower
from codegen.plan.families import family_of
from codegen.plan.kernels.kernel import Tile
from codegen.plan.numbered import numbered
from codegen.prove import ChosenTile
from codegen.prove.usage import Usage
from codegen.report.coloured import coloured
from codegen.report.diagnostic import diagnostic_lines, show_diagnostic
from codegen.report.kernels import kernels_text
from codegen.report.page import columns, wide, wrapped
from codegen.report.table import Table, lines_of
from codegen.spec import load_spec
from tests.prove.samples import dkdv_record, forward_record
from tests.report.screens import terminal, too_wide
from tests.small_project import edit, tgen, write_project

ROOT = Path(__file__).parents[2]
WIDTHS = (60, 80, 200)
COMMANDS = ["", *cli.commands]
SPECS = (
    "deepseek_v3", "gemma_like", "gpt_oss", "resnet50", "unet", "dcgan", "streaming", "t5_small",
    "seq2seq_luong", "linear_regression", "char_modern",
)  # fmt: skip


def seen(width: int, *arguments: str) -> tuple[int, list[str]]:
    """A command's exit code and what is on a terminal of that width afterwards."""
    code = 0
    with terminal(width) as screen:
        try:
            main(args=list(arguments), prog_name="tgen")
        except SystemExit as error:
            code = int(error.code or 0)
    return code, screen.lines


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(write_project(tmp_path / "project"))
    return tmp_path / "project"


# --- pages and tables -----------------------------------------------------------------------------


def test_words_wrap_whole_and_a_longer_one_stands_alone() -> None:
    lines = list(wrapped("a bb --keep-mine ccc " + "d" * 20, 12, "> ", "  "))
    assert lines == ["> a bb", "  --keep-mine", "  ccc", "  " + "d" * 20]
    assert wide(click.style("漢字 é", fg="red")) == 6


def plain_lines(table: Table, width: int) -> list[str]:
    return [click.unstyle(line) for line in lines_of(table, width)]


def test_a_table_shrinks_by_words_then_stands_in_stories_then_in_records() -> None:
    head, row = ("name", "what", "many"), ("alpha_beta", "some words to say", "1,234")
    table = Table(head, (row, "a line of its own"), ("name", "what"), "title")
    assert plain_lines(table, 40)[1:] == [
        "name        what                many",
        "alpha_beta  some words to say  1,234",
        "a line of its own",
    ]
    assert plain_lines(table, 30)[2:] == [
        "alpha_beta  some words   1,234",
        "            to say",
        "a line of its own",
    ]
    for width in (24, 20, 16, 14):
        lines = plain_lines(table, width)
        assert not too_wide(lines, width)
        assert {*" ".join(row).split()} <= {*" ".join(lines).split()}


def test_a_page_is_as_wide_as_the_terminal_and_a_pipe_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with terminal(57):
        assert columns() == columns(err=True) == 57
    monkeypatch.setenv("COLUMNS", "200")
    assert columns() == 80


@pytest.mark.parametrize(
    ("indices", "said"),
    [
        (range(3, 61), "3-60"),
        ([0], "0"),
        ([*range(5), *range(6, 11)], "0-4, 6-10"),
        (range(1, 24, 2), "1-23, every 2nd"),
        (range(0, 60, 3), "0-57, every 3rd"),
        ([5, 11, 17], "5, 11, 17"),
    ],
)
def test_layers_are_counted_as_people_say_them(indices: Any, said: str) -> None:
    assert numbered(list(indices)) == said


# --- plan, diff, kernels --------------------------------------------------------------------------


@pytest.mark.parametrize("name", SPECS)
def test_a_plan_fits_and_says_every_word_of_its_tables(name: str) -> None:
    made = lower(load_spec(ROOT / f"specs/{name}.yaml", ROOT))
    words = {
        word
        for shown in family_of(made).shown(made)
        for row in shown.rows
        for cell in row
        for word in cell.split()
    }
    for width in WIDTHS:
        code, lines = seen(width, "plan", str(ROOT / f"specs/{name}.yaml"))
        assert code == 0 and not too_wide(lines, width)
        assert words <= {*" ".join(lines).split()}, width
        assert "┃" not in "".join(lines) and "│" not in "".join(lines)
    piped = tgen("plan", str(ROOT / f"specs/{name}.yaml"))
    assert piped.out.splitlines() == seen(80, "plan", str(ROOT / f"specs/{name}.yaml"))[1][:-1]


def test_layers_and_parameters_that_are_alike_share_rows() -> None:
    _, lines = seen(80, "plan", str(ROOT / "specs/deepseek_v3.yaml"))
    assert [line.split()[:3] for line in lines if line.startswith(("0-2 ", "3-60 "))] == [
        ["0-2", "3", "dense"],
        ["3-60", "58", "sparse"],
    ]
    assert "blocks.0-2" in lines and "blocks.3-60" in lines and len(lines) < 80
    names = [line.split("  ")[0] for line in lines if line.startswith("token_")]
    assert names == ["token_embedding.weight"]


def test_a_plan_tells_of_both_stacks() -> None:
    _, lines = seen(80, "plan", str(ROOT / "specs/t5_small.yaml"))
    assert {"encoder layers", "encoder attention", "decoder layers"} <= {*lines}
    counts = [line.split()[-2:] for line in lines if line.startswith("0-5 ")]
    assert counts == [["3.15", "M"], ["4.2", "M"]]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("other", ["llama", "deepseek_v3", "translation_transformer", "unet"])
def test_a_difference_fits(width: int, other: str) -> None:
    pair = (str(ROOT / "specs/gpt.yaml"), str(ROOT / f"specs/{other}.yaml"))
    code, lines = seen(width, "diff", *pair)
    assert code == 0 and not too_wide(lines, width) and "┃" not in "".join(lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_kernels_fit_and_keep_their_names(width: int) -> None:
    usage = Usage("compiled", "", 200_000, 255, 1_234, tensor_core=(("wgmma", 4), ("mma", 2)))
    tile = Tile((("BLOCK_Q", 128), ("BLOCK_K", 64), ("SPLIT", 1)), 3, 8)
    kernels = (forward_record(128), dkdv_record(64))
    why = ("the table's first", "128x128, 3 stages, 8 warps spills 512 bytes")
    choices = [ChosenTile(kernel, "sm_90", tile, usage, text) for kernel in kernels for text in why]
    with terminal(width) as screen:
        kernels_text(choices)
    lines = screen.lines
    assert not too_wide(lines, width)
    assert [line for line in lines if "head dim" in line] == [
        f"{kernel.name}, head dim {kernel.head_dim}" for kernel in kernels
    ]
    words = {*" ".join(lines).split()}
    assert {
        "sm_90",
        "255",
        "1,234",
        "wgmma",
        "128x64",
    } <= words and "the table's first" not in words
    assert " ".join(" ".join(lines).split()).count("not the table's first, as 128x128,") == 2


# --- help, usage, errors --------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_at_any_width_in_whole_words(command: str) -> None:
    found = cli.commands[command] if command else cli
    for width in WIDTHS:
        code, lines = seen(width, *filter(None, [command]), "--help")
        kept = [line for line in lines if line.strip() not in ("",)]
        long = [line for line in kept if wide(line) > width and "my_gpt --from" not in line]
        assert code == 0 and not long
        said = " ".join(" ".join(lines).split())
        text = " ".join((found.help or "").replace("\b", "").split())
        assert text in said, "a word was broken"


def test_the_summary_of_every_command_is_whole_and_one_line() -> None:
    _, lines = seen(80, "--help")
    rows = [line.split(None, 1) for line in lines]
    for name, command in cli.commands.items():
        assert [name, summary(command)] in rows
    assert not any(line.endswith("...") for line in lines if "[" not in line)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["buld"], "error: no such command", "did you mean 'build'? `tgen --help`"),
        (["build", "--foo"], "error: no such option", "`tgen build --help` says how it is used"),
        (["plan"], "error: missing argument 'SPEC'", "`tgen plan --help`"),
        (["build", "--jobs", "0"], "error: invalid value for '--jobs'", "`tgen build --help`"),
        (["check", "--names", "--json"], "error: --names prints names, not json", "--help"),
    ],
)
def test_bad_usage_is_said_as_every_other_error(
    project: Path, arguments: list[str], message: str, hint: str
) -> None:
    ran = tgen(*arguments)
    assert ran.code == 2 and ran.out == ""
    first, second = ran.err.splitlines()
    assert first.startswith(message) and second.startswith("  hint: ") and hint in second


def found_at(text: str, word: str) -> Diagnostic:
    at = Position("specs/gpt.yaml", 12, text.index(word) + 1, text, len(word))
    message = f"unknown field `{word}` " + "of many words " * 8
    return Diagnostic(message.strip(), at, "did you mean another? " * 6)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("before", ["", "x" * 150 + " "])
def test_an_error_wraps_and_shows_its_place_on_a_terminal(width: int, before: str) -> None:
    found = found_at(f"{before}headz: 4 {'y' * 150}", "headz")
    lines = list(diagnostic_lines(found, width))
    assert not too_wide(lines, width)
    source, caret = next(
        (click.unstyle(one), click.unstyle(two)) for one, two in pairwise(lines) if "^" in two
    )
    assert source[caret.index("^") : caret.rindex("^") + 1] == "headz"


def test_errors_are_red_on_terminals_and_plain_elsewhere(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_at("headz: 4", "headz")
    with terminal(80) as screen:
        show_diagnostic(found)
    assert "\x1b[31m\x1b[1merror\x1b[0m: " in screen.raw
    assert "\x1b[31m\x1b[1m^^^^^\x1b[0m" in screen.raw
    with terminal(80) as screen:
        monkeypatch.setenv("NO_COLOR", "1")
        show_diagnostic(found)
    assert "\x1b" not in screen.raw and len(screen.lines) > 5
    show_diagnostic(found)
    assert capsys.readouterr().err == f"{found}\n"


def test_a_bad_spec_and_bad_usage_are_coloured(project: Path) -> None:
    edit(project / "specs/small.yaml", "layers", "layerz")
    for arguments in (["plan", "specs/small.yaml"], ["plam"]):
        with terminal(80) as screen, pytest.raises(SystemExit):
            main(args=arguments, prog_name="tgen")
        assert "\x1b[1merror\x1b[0m: " in screen.raw


def test_lines_of_diffs_have_colours() -> None:
    shown = coloured("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n same\n")
    assert click.style("-old\n", fg="red") in shown and click.style("+new\n", fg="green") in shown
    assert click.style("--- a/x\n", bold=True) in shown
    assert click.unstyle(shown).endswith("+new\n same\n")


# --- a project from its beginning -----------------------------------------------------------------


def test_a_package_that_is_not_there_yet_is_one_line(project: Path) -> None:
    ran = tgen("check")
    assert ran.code == 3
    count = tgen("check", "--diff-only").out.count("+++ b/generated/small/")
    assert count > 10 and ran.out.splitlines()[:1] == [f"missing: generated/small/ ({count} files)"]
    assert tgen("check", "--names").out.splitlines() == [
        f"missing: generated/small/ ({count} files)",
        "missing: generated/__init__.py",
        "0 of 1 packages are fresh",
        "run: tgen build specs/small.yaml",
    ]


def test_names_of_stale_files_are_asked_for_without_diffs(project: Path) -> None:
    tgen("build", "--no-test")
    edit(project / "specs/small.yaml", "layers: 2", "layers: 3")
    (project / "generated/small/sample.py").unlink()
    *files, _, _ = tgen("check", "--names").out.splitlines()
    assert "changed: generated/small/model.py" in files
    assert "missing: generated/small/sample.py" in files
    assert all(line.startswith(("changed: ", "missing: ")) for line in files)
    whole = tgen("check").out
    assert "+    layers: int = 3" in whole


def said_in(project: Path, width: int) -> Iterator[tuple[int, list[str]]]:
    """What commands say from an empty folder on, one after the other."""
    long = "a_name_that_is_rather_long_for_a_model"
    yield seen(width, "new", long, "--from", "specs/small.yaml", "--set", "model.layers=3")
    yield seen(width, "check", "--jobs", "1")
    yield seen(width, "build", "--no-test", "--jobs", "1")
    yield seen(width, "build", "specs/small.yaml", "--no-test")
    for name in ("train.py", "model.py", "sample.py", "evaluate.py"):
        path = project / f"generated/small/{name}"
        path.write_text(path.read_text() + "\n\nMINE = 1\n")
    edit(project / "generated/small/model.py", "layers: int = 2", "layers: int = 5")
    yield seen(width, "edits", "--names")
    edit(project / "specs/small.yaml", "layers: 2", "layers: 4")
    yield seen(width, "check", "--names", "--jobs", "1")
    yield seen(width, "build", "--no-test", "--dry-run", "--jobs", "1")
    yield seen(width, "build", "--no-test", "--jobs", "1")
    yield seen(width, "resolve", "--no-test")
    yield seen(width, "migrate")
    yield seen(width, "tune", "specs/small.yaml")
    yield seen(width, "mask", "causal & (window(64) | sink(4)) & document", "--length", "200")
    yield seen(width, "mask", "~causal & block(3)", "--length", "30", "--code")
    config = project / "made/gpt2"
    config.mkdir(parents=True)
    shutil.copy(
        ROOT / "tests/parity/published/hub/openai-community--gpt2.json", config / "config.json"
    )
    yield seen(width, "import", "made/gpt2", "--no-test", "--name", "imported_once")
    (project / "specs/small.yaml").unlink()
    yield seen(width, "check", "--names", "--jobs", "1")


def test_a_new_project_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, lines = seen(60, "init")
    assert code == 0 and "wrote specs/small_gpt.yaml" in lines and not too_wide(lines, 60)


def test_every_command_fits(project: Path) -> None:
    codes = []
    for code, lines in said_in(project, 60):
        codes.append(code)
        assert not too_wide(lines, 60)
        assert not any("…" in line for line in lines)
        assert code in (0, 2, 3, 4), lines
    assert codes.count(0) >= 9


# --- a watch --------------------------------------------------------------------------------------


def test_the_status_of_a_watch_stands_below_its_lines_and_goes(tmp_path: Path) -> None:
    from codegen.commands.watch import Gone, Rebuilt, Testing
    from codegen.report.watch import status_line, watch_text
    from tests.report.outcomes import bad, outcome, project_at

    project = project_at(tmp_path)
    cost = lower(load_spec(ROOT / "specs/gpt_char.yaml", ROOT)).cost
    outcomes = tuple(outcome(project, f"m{i}", cost=cost) for i in range(21))
    events: list[Any] = [
        Testing("small_llama"),
        Rebuilt(outcomes, 15.42),
        Testing(None),
        Rebuilt((bad(project, "modell: 1", "modell"),), 0.1),
        Gone("gone", tmp_path / "specs/gone.yaml", tmp_path / "generated/gone"),
    ]
    with terminal(80) as screen, status_line() as status:
        for event in events:
            watch_text(event, project, status)
        assert screen.lines[-1] == "waiting for a save"
    lines = screen.lines
    assert lines[-1] == "" and not too_wide(lines, 80)
    assert lines[0][10:] == "21 packages  fresh (15.42 s)"
    assert lines[1][10:] == "bad  not built, see the error"
    assert not any("testing" in line or "waiting" in line for line in lines)


# --- the scripts of packages ----------------------------------------------------------------------


def helps(module: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What `python -m MODULE --help` prints."""
    ask: Callable[[list[str]], object] = importlib.import_module(module).parse_options
    with pytest.raises(SystemExit):
        ask(["--help"])
    return capsys.readouterr().out


SCRIPTS = [
    (path.parent.name, path.stem)
    for stem in ("options", "sample", "evaluate", "predict", "translate", "embed", "fill")
    for path in sorted((ROOT / "generated").glob(f"*/{stem}.py"))
    if "def parse_options" in path.read_text(encoding="utf-8")
]


def test_the_help_of_packages_fits_and_has_no_empty_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(str(ROOT))
    for package, stem in SCRIPTS:
        text = helps(f"generated.{package}.{stem}", capsys)
        assert not too_wide(text.splitlines(), 80), (package, stem)
        words = " ".join(text.split())
        for empty in ("(default: )", "(default: None)", "(default: False)", "(default: ())"):
            assert empty not in words, (package, stem)
    assert len({stem for _, stem in SCRIPTS}) >= 5


def test_the_help_of_training_begins_shortly_and_has_groups_and_an_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.syspath_prepend(str(ROOT))
    lines = helps("generated.gpt_char.options", capsys).splitlines()
    assert lines[0] == "usage: python -m generated.gpt_char.train [options]" and lines[1] == ""
    titles = ["options:", "data:", "run:", "steps:", "optimization:", "logs and checkpoints:"]
    assert [line for line in lines if line.endswith(":") and line[0] != " "] == titles
    assert lines[-1] == "example: python -m generated.gpt_char.train --data corpus.txt"
