"""Commands as a person types them: output, exit codes, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.small_project import SPEC

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with one spec, and the current folder."""
    (tmp_path / "pyproject.toml").write_text("[tool.tgen]\n")
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/small.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_build_writes_a_package_and_says_what_it_made(project: Path, tgen: Run) -> None:
    code, out, _ = tgen("build", "--no-test")
    assert code == 0
    assert "generated/small/" in out and "parameters" in out and "FLOPs per token" in out
    assert (project / "generated/small/model.py").exists()


def test_a_build_with_nothing_changed_touches_nothing(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    files = sorted((project / "generated").rglob("*.*"))
    before = [path.stat().st_mtime_ns for path in files]
    code, out, _ = tgen("build", "--no-test")
    assert code == 0 and "is fresh" in out
    assert [path.stat().st_mtime_ns for path in files] == before


def test_build_runs_the_smoke_tests_and_remembers_that_they_passed(
    project: Path, tgen: Run
) -> None:
    code, out, _ = tgen("build", "specs/small.yaml")
    assert code == 0 and "passed on" in out
    _, out, _ = tgen("build", "specs/small.yaml")
    assert "is fresh" in out and "passed" not in out


def test_failing_smoke_tests_exit_with_5_and_show_the_failure(
    project: Path, tgen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codegen.emit import Package

    write = Package.__post_init__

    def broken(package: Package) -> None:
        files = dict(package.files)
        files["test_small.py"] = "def test_that_fails() -> None:\n    assert 1 == 2\n"
        object.__setattr__(package, "files", files)
        write(package)

    monkeypatch.setattr(Package, "__post_init__", broken)
    code, _, err = tgen("build")
    assert code == 5
    assert "test_that_fails" in err and "1 of 1" in err


def test_dry_run_writes_nothing(project: Path, tgen: Run) -> None:
    code, out, _ = tgen("build", "--dry-run")
    assert code == 0 and "missing  generated/small/model.py" in out
    assert not (project / "generated").exists()


def test_set_and_out_make_a_variant_elsewhere(project: Path, tgen: Run) -> None:
    code, _, _ = tgen("build", "--set", "model.layers=3", "--out", "try_it", "--no-test")
    assert code == 0
    assert "layers: int = 3" in (project / "try_it/small/model.py").read_text()
    assert not (project / "generated").exists()


def test_json_is_one_document_with_a_version(project: Path, tgen: Run) -> None:
    for command in (["build", "--no-test", "--json"], ["check", "--json"]):
        code, out, _ = tgen(*command)
        document = json.loads(out)
        assert code == 0 and document["version"] == 1
        assert document["packages"][0]["name"] == "small"
    code, out, _ = tgen("plan", "specs/small.yaml", "--json")
    plan = json.loads(out)
    assert plan["version"] == 3 and plan["networks"][0]["parameters"][0]["shape"] == [61, 32]


def test_check_is_green_only_when_the_package_is_what_the_spec_says(
    project: Path, tgen: Run
) -> None:
    code, out, _ = tgen("check")
    assert code == 3 and "missing: generated/small/ (35 files)" in out
    tgen("build", "--no-test")
    assert tgen("check")[0] == 0
    spec = project / "specs/small.yaml"
    spec.write_text(SPEC.replace("layers: 2", "layers: 3"))
    code, out, _ = tgen("check")
    assert code == 3
    assert "-    layers: int = 2" in out and "+    layers: int = 3" in out
    assert "run: tgen build specs/small.yaml" in out
    spec.write_text(SPEC)
    assert tgen("check")[0] == 0


@pytest.mark.parametrize("name", ["model.py", "tgen.lock"])
def test_check_finds_a_deleted_file(project: Path, tgen: Run, name: str) -> None:
    tgen("build", "--no-test")
    (project / "generated/small" / name).unlink()
    assert tgen("check")[0] == 3


def test_check_finds_a_package_whose_spec_is_gone(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    (project / "specs/other.yaml").write_text(SPEC.replace("small", "other"))
    tgen("build", "--no-test")
    (project / "specs/small.yaml").unlink()
    code, out, _ = tgen("check")
    assert code == 3 and "orphan: generated/small" in out


def test_a_hand_edit_is_carried_over_and_shown(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    model = project / "generated/small/model.py"
    model.write_text(model.read_text() + "\n\ndef mine() -> int:\n    return 3\n")
    assert tgen("check")[0] == 0
    (project / "specs/small.yaml").write_text(SPEC.replace("layers: 2", "layers: 3"))
    assert tgen("check")[0] == 3
    assert tgen("build", "--no-test")[0] == 0
    assert "layers: int = 3" in model.read_text() and "def mine()" in model.read_text()
    assert tgen("check")[0] == 0
    code, out, _ = tgen("edits")
    assert code == 0 and "generated/small/model.py: mine\n" in out and "+def mine()" in out
    code, out, _ = tgen("edits", "--json")
    (package,) = json.loads(out)["packages"]
    assert package["edits"][0]["parts"] == ["mine"]


def test_a_conflict_stops_one_package_until_it_is_resolved(project: Path, tgen: Run) -> None:
    (project / "specs/other.yaml").write_text(SPEC.replace("small", "other"))
    tgen("build", "--no-test")
    model = project / "generated/small/model.py"
    edited = model.read_text().replace("layers: int = 2", "layers: int = 7")
    model.write_text(edited)
    for name in ("small", "other"):
        text = SPEC.replace("small", name).replace("layers: 2", "layers: 3")
        (project / f"specs/{name}.yaml").write_text(text)
    code, _, err = tgen("build", "--no-test")
    assert code == 4 and "model.py: Config.layers: you changed it" in err
    assert "tgen resolve specs/small.yaml" in err
    assert model.read_text() == edited
    assert "layers: int = 3" in (project / "generated/other/model.py").read_text()
    assert tgen("resolve", "--no-test")[0] == 4
    merge = model.with_name("model.py.merge")
    lines = merge.read_text().split("\n")
    start, end = (lines.index(mark) for mark in ("<<<<<<< yours", ">>>>>>> generated now"))
    merge.write_text("\n".join([*lines[:start], "    layers: int = 9", *lines[end + 1 :]]))
    assert tgen("resolve", "--no-test")[0] == 0
    assert "layers: int = 9" in model.read_text()
    assert tgen("check")[0] == 0


def test_one_more_layer_changes_only_the_files_that_say_so(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    package = project / "generated/small"
    before = {path.name: path.read_text() for path in package.iterdir()}
    spec = project / "specs/small.yaml"
    spec.write_text(SPEC.replace("layers: 2", "layers: 3"))
    _, out, _ = tgen("build", "--no-test", "--json")
    (built,) = json.loads(out)["packages"]
    of_the_numbers = {"README.md", "__init__.py", "model.py", "test_small.py", "train.py"}
    assert {*built["written"]} == {*of_the_numbers, "tgen.lock"}
    for name in of_the_numbers:
        body = (package / name).read_text().split("\n", 1)[1]
        assert body != before[name].split("\n", 1)[1]


def test_what_is_dropped_for_the_new_rendering_is_said(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    model = project / "generated/small/model.py"
    spec = project / "specs/small.yaml"
    mine = model.read_text().replace("layers: int = 2", "layers: int = 7") + "\n\nMINE = 1\n"
    model.write_text(mine)
    (model.parent / "train.py").write_text("def (")
    spec.write_text(SPEC.replace("layers: 2", "layers: 3"))
    code, out, _ = tgen("build", "--no-test", "--take-new", "--json")
    (package,) = json.loads(out)["packages"]
    assert code == 0 and package["merged"] == {"model.py": ["MINE"]}
    assert package["dropped"] == {"model.py": ["Config.layers"], "train.py": ["the whole file"]}
    assert "layers: int = 3" in model.read_text() and "MINE = 1" in model.read_text()

    model.write_text(model.read_text().replace("layers: int = 3", "layers: int = 7"))
    spec.write_text(SPEC.replace("layers: 2", "layers: 4"))
    _, out, _ = tgen("build", "--no-test", "--take-new")
    assert "dropped    your text of Config.layers in model.py\n" in out
    assert "layers: int = 4" in model.read_text()
    _, out, _ = tgen("build", "--no-test", "--keep-mine")
    assert "dropped" not in out


@pytest.mark.parametrize(("old", "new"), [("--theirs", "--keep-mine"), ("--ours", "--take-new")])
def test_the_old_names_of_the_sides_do_nothing_and_name_the_new(
    project: Path, tgen: Run, old: str, new: str
) -> None:
    code, _, err = tgen("build", "--no-test", old)
    assert code == 2 and f"{old} is no more" in err and new in err
    assert not (project / "generated").exists()
    assert f"{old} " not in tgen("build", "--help")[1]


def test_one_broken_spec_does_not_stop_the_others(project: Path, tgen: Run) -> None:
    (project / "specs/broken.yaml").write_text("name: broken\nmodle: {}\n")
    code, out, err = tgen("build", "--no-test")
    assert code == 2
    assert "specs/broken.yaml:2:1: error: unknown field `modle`" in err
    assert "did you mean `model`?" in err
    assert (project / "generated/small/model.py").exists() and "1 failed" in out


def test_two_specs_of_one_name_are_refused_even_if_one_is_fresh(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    (project / "specs/twin.yaml").write_text(SPEC)
    code, _, err = tgen("build", "--no-test")
    assert code == 2 and "the name `small` is taken" in err


def test_a_spec_given_twice_is_built_once(project: Path, tgen: Run) -> None:
    twice = ["specs/small.yaml", str(project / "specs/small.yaml"), "specs"]
    code, out, _ = tgen("build", *twice, "--no-test")
    assert code == 0 and "built 1 package" in out


def test_many_specs_build_in_worker_processes_to_the_same_bytes(project: Path, tgen: Run) -> None:
    for name in "abcd":
        (project / f"specs/m_{name}.yaml").write_text(SPEC.replace("small", f"m_{name}"))
    assert tgen("build", "--no-test", "--jobs", "2", "--out", "two")[0] == 0
    assert tgen("build", "--no-test", "--jobs", "1", "--out", "one")[0] == 0
    for path in (project / "one").rglob("*.py"):
        other = project / "two" / path.relative_to(project / "one")
        assert other.read_bytes() == path.read_bytes()


def test_plan_shows_layers_parameters_and_bytes(project: Path, tgen: Run) -> None:
    code, out, _ = tgen("plan", "specs/small.yaml")
    assert code == 0
    words = ("blocks.0-1\n", "  attention\n    q_proj.weight ", "61 x 32", "KV cache")
    for word in (*words, "training state"):
        assert word in out


def test_diff_shows_knobs_and_costs(project: Path, tgen: Run) -> None:
    tgen("new", "wide", "--from", "specs/small.yaml", "--set", "model.mlp.d_ff=96")
    code, out, _ = tgen("diff", "specs/small.yaml", "specs/wide.yaml")
    assert code == 0 and "mlp.d_ff" in out and "parameters" in out
    code, out, _ = tgen("diff", "specs/small.yaml", "specs/wide.yaml", "--json")
    (knob,) = json.loads(out)["knobs"]
    assert (knob["knob"], knob["b"]) == ("mlp.d_ff", "96")


def test_new_scaffolds_a_variant_that_builds(project: Path, tgen: Run) -> None:
    options = ["--set", "model.layers=3", "--set", "model.attention.kv_heads=1"]
    code, out, _ = tgen("new", "variant", "--from", "specs/small.yaml", *options)
    assert code == 0 and "tgen build specs/variant.yaml" in out
    text = (project / "specs/variant.yaml").read_text()
    assert "extends: small.yaml" in text and "layers: 3" in text
    assert tgen("build", "specs/variant.yaml", "--no-test")[0] == 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("../evil", [], "can't be a package name"),
        ("torch", [], "name of an installed module"),
        ("small", [], "exists already"),
        ("fine", ["--set", "model.layrs=3"], "did you mean `layers`?"),
        ("fine", ["--set", "nonsense"], "expected field=value"),
    ],
)
def test_new_refuses_what_cannot_be_built_and_leaves_nothing(
    project: Path, tgen: Run, name: str, options: list[str], message: str
) -> None:
    before = sorted(path.name for path in (project / "specs").iterdir())
    code, _, err = tgen("new", name, "--from", "specs/small.yaml", *options)
    assert code == 2 and message in err
    assert sorted(path.name for path in (project / "specs").iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [["build", "nowhere.yaml"], ["plan", "nowhere.yaml"], ["frobnicate"], ["build", "--jobs", "0"]],
)
def test_bad_usage_exits_with_2_and_no_traceback(
    project: Path, tgen: Run, arguments: list[str]
) -> None:
    code, _, err = tgen(*arguments)
    assert code == 2 and err.strip() and "Traceback" not in err


def test_a_folder_that_is_no_project_gets_its_packages_beside_its_specs(
    tmp_path: Path, tgen: Run
) -> None:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/small.yaml").write_text(SPEC)
    assert tgen("build", str(tmp_path / "specs/small.yaml"), "--no-test")[0] == 0
    assert "specs/small.yaml" in (tmp_path / "generated/small/model.py").read_text()
    (tmp_path / "alone.yaml").write_text(SPEC)
    assert (
        tgen("build", str(tmp_path / "alone.yaml"), "--no-test", "--out", str(tmp_path / "o"))[0]
        == 0
    )


def test_settings_of_the_project_move_its_folders(project: Path, tgen: Run) -> None:
    (project / "pyproject.toml").write_text('[tool.tgen]\nspecs = "m"\ngenerated = "g"\n')
    (project / "specs").rename(project / "m")
    assert tgen("build", "--no-test")[0] == 0
    assert (project / "g/small/model.py").exists()
    (project / "pyproject.toml").write_text('[tool.tgen]\nspec = "m"\n')
    code, _, err = tgen("build")
    assert code == 2 and "unknown fields: spec" in err


def test_schema_is_json_schema_and_completion_is_a_script(tgen: Run) -> None:
    code, out, _ = tgen("schema")
    assert code == 0 and json.loads(out)["properties"]["model"]
    code, out, _ = tgen("completion", "bash")
    assert code == 0 and "_TGEN_COMPLETE" in out


def test_a_mask_is_drawn_and_said_in_english(tgen: Run, tmp_path: Path) -> None:
    mask, png = "causal & (window(3) | sink(1))", tmp_path / "mask.png"
    code, out, _ = tgen("mask", mask, "--length", "8", "--tile", "4")
    assert code == 0
    assert out.splitlines()[:4] == ["█▄······", "███▄····", "█·▀██▄··", "█···▀██▄"]
    assert "Each token sees itself and the 2 before it, and the first token." in out
    assert "skip" in out
    pytest.importorskip("matplotlib")
    assert tgen("mask", mask, "--png", str(png))[0] == 0 and png.stat().st_size > 1000


def test_a_mask_under_which_a_query_sees_nothing_is_warned_of(tgen: Run) -> None:
    code, _, err = tgen("mask", "~causal", "--length", "8")
    assert code == 0 and "these queries see nothing: 7" in err


def test_a_bad_mask_is_shown_at_its_character(tgen: Run) -> None:
    code, _, err = tgen("mask", "causal & windw(3)")
    assert code == 2 and "mask:1:10: error: unknown mask `windw`" in err


@pytest.mark.parametrize("command", ["", "build", "check", "plan", "new", "schema"])
def test_help_has_an_example_or_the_exit_codes(tgen: Run, command: str) -> None:
    code, out, _ = tgen(*filter(None, [command]), "--help")
    assert code == 0 and ("Example: tgen" in out or "Exit codes" in out)


def test_the_command_line_imports_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, codegen.cli\n"
        "heavy = {'torch', 'libcst', 'jinja2', 'pydantic', 'yaml', 'rich', 'transformers'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_a_fresh_check_renders_nothing(project: Path, tgen: Run) -> None:
    tgen("build", "--no-test")
    code = (
        "import sys\nfrom codegen.cli import main\n"
        "try: main(args=['check'])\nexcept SystemExit as error: assert not error.code\n"
        "heavy = {'torch', 'libcst', 'jinja2', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=project)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout + done.stderr
