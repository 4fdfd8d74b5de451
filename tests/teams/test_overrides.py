"""A project's own templates: used, digested, and their mistakes shown where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.build.rendering import make_plan
from codegen.plan import Plan
from codegen.project import find_project, templates_folder
from codegen.render import render, render_package
from codegen.render.origin import origins
from tests.conftest import Run
from tests.teams.conftest import ROOT

MLP = "transformer/mlp.py.jinja"
ORIGINAL = '{% include "tgen/transformer/mlp.py.jinja" %}'
GELU = f'{{% filter replace("F.silu", "F.gelu") %}}{ORIGINAL}{{% endfilter %}}'


@pytest.fixture
def own(project: Path) -> Path:
    """The project's folder of templates, with nothing in it."""
    (project / "pyproject.toml").write_text('[tool.tgen]\ntemplates = "mine"\n')
    (project / "mine/transformer").mkdir(parents=True)
    return project / "mine"


def model(project: Path) -> str:
    return (project / "generated/small/model.py").read_text()


def test_a_part_is_replaced_and_the_original_is_within_reach(
    project: Path, own: Path, tgen: Run
) -> None:
    assert tgen("build", "--no-test")[0] == 0
    before = model(project)
    (own / MLP).write_text(GELU)
    assert tgen("build", "--no-test")[0] == 0
    assert "F.silu" in before and model(project) == before.replace("F.silu", "F.gelu")


def test_what_the_original_includes_may_be_replaced_as_well(
    project: Path, own: Path, tgen: Run
) -> None:
    (own / MLP).write_text('{% include "tgen/transformer/mlp.py.jinja" %}')
    (own / "transformer/gating_numbers.py.jinja").write_text("        # of our own\n")
    assert tgen("build", "--no-test")[0] == 0
    assert "super().__init__()\n        # of our own\n        self.gate_proj" in model(project)


def test_fresh_is_what_these_templates_make_and_no_others(
    project: Path, own: Path, tgen: Run
) -> None:
    (own / MLP).write_text(GELU)
    tgen("build", "--no-test")
    assert tgen("check")[0] == 0
    assert tgen("check")[0] == 0  # by its verdict
    (own / MLP).write_text(GELU.replace("gelu", "relu"))
    code, out, _ = tgen("check")
    assert code == 3 and "+        return self.down_proj(F.relu" in out
    (own / MLP).write_text(GELU)
    assert tgen("check")[0] == 0
    (own / MLP).unlink()
    code, out, _ = tgen("check")
    assert code == 3 and "+        return self.down_proj(F.silu" in out
    (own / MLP).write_text(GELU)
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    assert tgen("check")[0] == 3


def test_two_templates_of_one_name_are_compiled_apart(project: Path, own: Path, tgen: Run) -> None:
    tgen("render", "specs/small.yaml")  # compiles ours
    original = (templates_folder() / MLP).read_text()
    (own / MLP).write_text(original.replace("class ", "# ours, changed\nclass "))
    assert "# ours, changed" in tgen("render", "specs/small.yaml")[1]
    other = project / "other/transformer"
    other.mkdir(parents=True)
    (other / "mlp.py.jinja").write_text(original.replace("class ", "# another\nclass "))
    (project / "pyproject.toml").write_text('[tool.tgen]\ntemplates = "other"\n')
    assert "# another" in tgen("render", "specs/small.yaml")[1]
    (project / "pyproject.toml").write_text("[tool.tgen]\n")
    out = tgen("render", "specs/small.yaml")[1]
    assert "# another" not in out and "# ours, changed" not in out


MISTAKES = {
    "{{ mlp.nothing }}": ":3:8: error: 'codegen.plan.transformer.parts.MlpPlan object' has",
    "{{ nothing }}": ":3:4: error: 'nothing' is undefined",
    "{{ 1 / 0 }}": ":3:1: error: ZeroDivisionError: division by zero",
    "{{ 'x'.__class__ }}": ":3:1: error: access to attribute '__class__' of 'str' object is unsafe",
    "{{ x | sum }}": ":3:4: error: 'x' is undefined",
    "#% iff x": ":3:1: error: Encountered unknown tag 'iff'",
    "{{ 'x' | nothing }}": ":3:1: error: No filter named 'nothing'",
    '#% include "transformer/mpl.py.jinja"': ":3:1: error: no template `transformer/mpl.py.jinja`",
    f'#% include "{MLP}"': ":3:1: error: it includes itself",
    '#% include "tgen/nowhere.jinja"': ":3:1: error: no template `tgen/nowhere.jinja`",
    '#% include "no" ~ "where"': ":3:1: error: no template `nowhere`",
    "x = = 1": ":3:1: error: the rendered text is no Python",
    "x = {{ 1 }} {{ 2 }}": ":3:1: error: the rendered text is no Python",
    "class MLP(nowhere): pass": ":3:1: error: F821 Undefined name `nowhere`",
    "MLP = {{ name }}er": ":3:1: error: F821 Undefined name `smaller`",
}


@pytest.mark.parametrize(("line", "message"), MISTAKES.items(), ids=MISTAKES.keys())
def test_a_mistake_is_shown_at_its_line(
    project: Path, own: Path, tgen: Run, line: str, message: str
) -> None:
    (own / MLP).write_text(f"# one\n# two\n{line}\n# four\n")
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and f"mine/{MLP}{message}" in err, err
    assert f" 3 | {line}\n" in err and "Traceback" not in err
    assert not (project / "generated").exists()


def test_a_mistake_between_what_other_templates_make_is_shown_at_its_line(
    project: Path, own: Path, tgen: Run
) -> None:
    original = (templates_folder() / MLP).read_text().split("\n")
    number = next(n for n, line in enumerate(original) if "def forward" in line) + 1
    original.insert(number, "        return lambda:")
    (own / MLP).write_text("\n".join(original))
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and f"mine/{MLP}:{number + 1}:9: error: the rendered text is no Python" in err


def test_what_ours_misses_names_both(project: Path, own: Path, tgen: Run) -> None:
    (own / "transformer/macros.jinja").write_text("{% macro nothing() %}{% endmacro %}")
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "can't use what mine/ gives it" in err and "tgen/transformer/" in err
    (own / "transformer/macros.jinja").unlink()
    (own / MLP).write_text('{% set mlp = {} %}\n{% include "tgen/transformer/mlp.py.jinja" %}')
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and f"mine/{MLP}:2:1: error: 'dict object' has no attribute" in err
    assert f"what fails is tgen/{MLP}:2" in err


def test_templates_that_include_each_other_are_an_error(
    project: Path, own: Path, tgen: Run
) -> None:
    (own / MLP).write_text('{% include "a.jinja" %}')
    (own / "a.jinja").write_text(f'{{% include "{MLP}" %}}')
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "include each other without end" in err


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("transformer/mpl.py.jinja", MLP),
        ("mlp.py.jinja", MLP),
        ("transformer/mlp.py", MLP),
        (f"tgen/{MLP}", MLP),
        ("project/workflow.yml", "tgen's own lie in"),
    ],
)
def test_a_file_that_stands_for_nothing_is_refused(
    project: Path, own: Path, tgen: Run, name: str, guess: str
) -> None:
    (own / name).parent.mkdir(parents=True, exist_ok=True)
    (own / name).write_text("x")
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and f"mine/{name}:1:1: error: tgen has no template `{name}`" in err
    assert guess in err


def test_partials_notes_and_what_editors_leave_are_fine(
    project: Path, own: Path, tgen: Run
) -> None:
    (own / MLP).write_text(
        '{% include "our/a.jinja" %}{% include "tgen/transformer/mlp.py.jinja" %}'
    )
    (own / "our").mkdir()
    (own / "our/a.jinja").write_text('{% import "our/b.jinja" as b %}{{ b.note() }}\n')
    (own / "our/b.jinja").write_text("{% macro note() %}# ours{% endmacro %}")
    for name in ("README.md", ".mlp.py.jinja.swp", "transformer/mlp.py.jinja~"):
        (own / name).write_text("{{")
    assert tgen("build", "--no-test")[0] == 0
    assert "# ours\nclass MLP" in model(project)
    (own / MLP).unlink()
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "our/a.jinja:1:1" in err and "our/b.jinja:1:1" in err


@pytest.mark.parametrize(
    ("value", "message"),
    [('"nowhere"', "no folder"), ('"../out"', "is no folder inside"), ("3", "is no folder inside")],
)
def test_a_folder_of_templates_is_inside_the_project_and_there(
    project: Path, tgen: Run, value: str, message: str
) -> None:
    (project.parent / "out").mkdir()
    (project / "pyproject.toml").write_text(f"[tool.tgen]\ntemplates = {value}\n")
    code, _, err = tgen("check")
    assert code == 2 and "templates" in err and message in err


def test_a_template_that_can_t_be_read_is_named(project: Path, own: Path, tgen: Run) -> None:
    (own / MLP).symlink_to("nowhere")
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "mlp.py.jinja" in err and "Traceback" not in err
    (own / MLP).unlink()
    (own / MLP).write_bytes(b"\xff")
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and f"mine/{MLP}" in err


@pytest.fixture
def plan() -> Plan:
    return make_plan(ROOT / "specs/gemma_like.yaml", find_project(ROOT))


@pytest.mark.parametrize("name", ["train.py", "model.py"])
def test_a_line_that_only_one_template_has_comes_from_that_one(plan: Plan, name: str) -> None:
    context = {"plan": plan, "net": plan.model, "train": plan.train, "task": plan.task}
    context |= {"name": plan.name, "header": render.header(plan)}
    found = origins(render.environment(), f"package/{name}.jinja", context)
    assert [line for line, _, _ in found] == render_package(plan, only=(name,))[name].split("\n")
    holders: dict[str, list[str]] = {}
    for path in templates_folder().rglob("*.jinja"):
        for line in {*path.read_text().split("\n")}:
            holders.setdefault(line, []).append(str(path))
    told = 0
    for line, file, number in found:
        made_of_values = "{{" in Path(file).read_text().split("\n")[number - 1]
        if len(holders.get(line, ())) == 1 and not made_of_values:
            assert holders[line] == [file], line
            told += 1
    assert told > 50
