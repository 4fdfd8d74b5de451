"""What a check says to people, to GitHub, to code scanning and to programs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from codegen.build.outcome import Orphan
from codegen.emit import AroundPackages, Change, Recovered
from codegen.errors import Diagnostic, Position
from codegen.project import Project
from codegen.report import Checked, check_report
from codegen.report.findings import RULES, findings_of
from tests.report.outcomes import bad, checked, edited, outcome, project_at, stale

ROOT = Path(__file__).parent.parent.parent
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return project_at(tmp_path)


def everything(project: Project) -> Checked:
    """A check in which every rule finds something."""
    warning = Diagnostic("queries see nothing", Position("specs/odd.yaml", 3, 1, "model: {}", 5))
    conflict = Change("generated/both/model.py", "conflict", "", troubles=("Block: both changed",))
    outcomes = [
        bad(project, "modell: {}", "modell"),
        stale(project),
        edited(project, "kept", settled=False),
        outcome(project, "odd", warnings=(warning,)),
        outcome(project, "both", changes=(conflict,)),
        outcome(project, "locked", problems=(Diagnostic("the lock is damaged"),), exit_code=2),
        outcome(project, "more", edits=(Change("generated/more/notes.py", "added", ""),)),
        outcome(project, "hidden", in_the_way=(hides("generated/hidden/json.py"),), exit_code=3),
    ]
    return checked(
        project,
        *outcomes,
        exit_code=4,
        orphans=[Orphan(project.generated / "lost")],
        interrupted=[Recovered("gpt", "finished"), Recovered("new", "discarded")],
        no_edits=True,
        around=AroundPackages(in_the_way=(hides("torch.py"),)),
    )


def hides(path: str) -> Diagnostic:
    return Diagnostic(f"{path}: it hides another", Position(path, 1, 1), "move it away")


def test_every_rule_has_a_finding_and_every_finding_a_rule(project: Project) -> None:
    assert {found.rule for found in findings_of(everything(project))} == set(RULES)


# ---- text ----


def test_people_see_each_file_with_its_diff_the_counts_and_what_to_run(
    project: Project, capsys: Capture
) -> None:
    packages = [stale(project), edited(project, "kept")]
    check_report(checked(project, *packages), "text")
    out, err = capsys.readouterr()
    assert out.count("-old\n+new\n") == 3, "the lock's digests are not shown"
    lines = out.splitlines()
    assert (
        "changed: generated/gpt/model.py" in lines and "missing: generated/gpt/sample.py" in lines
    )
    assert "changed: generated/gpt/tgen.lock" in lines
    assert lines[-3:] == [
        "kept: fresh, with edits in model.py",
        "1 of 2 packages are fresh, 1 with edits",
        "run: tgen build specs/gpt.yaml",
    ]
    assert err == ""


def test_the_command_can_be_typed_where_the_person_is(
    project: Project, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = checked(project, stale(project), out=project.root / "try it")
    monkeypatch.chdir(project.specs)
    check_report(found, "text")
    assert capsys.readouterr().out.splitlines()[-1] == (
        "run: tgen build gpt.yaml --out '../try it'"
    )


def test_a_spec_of_several_packages_is_named_once(project: Project, capsys: Capture) -> None:
    check_report(checked(project, stale(project), stale(project)), "text")
    assert capsys.readouterr().out.splitlines()[-1] == "run: tgen build specs/gpt.yaml"


def test_many_stale_packages_are_mended_by_the_command_for_all(
    project: Project, capsys: Capture
) -> None:
    check_report(checked(project, *(stale(project, f"m{n}") for n in range(9))), "text")
    assert capsys.readouterr().out.splitlines()[-1] == "run: tgen build"


def test_problems_go_to_standard_error_with_their_place(project: Project, capsys: Capture) -> None:
    check_report(everything(project), "text")
    out, err = capsys.readouterr()
    assert "specs/bad.yaml:1:1: error: unknown field `modell`\n 1 | modell: {}\n" in err
    assert "specs/odd.yaml:3:1: warning: queries see nothing" in err
    assert "error: the lock is damaged" in err and "specs/locked.yaml" not in err
    assert "a build of gpt had been cut off" in err
    assert "generated/kept/model.py:42:1: error: generated/kept/model.py was edited by hand" in err
    assert "orphan: generated/lost has no spec any more" in out
    assert "edited: generated/kept/model.py" in out and "+D\n" in out


# ---- GitHub ----


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """Workflow commands as GitHub's runner reads them."""
    found = []
    for line in text.splitlines():
        if match := re.fullmatch(r"::(\w+) ([^:]*)::(.*)", line):
            properties = dict(part.split("=", 1) for part in match[2].split(","))
            found.append((match[1], {k: unescaped(v) for k, v in properties.items()}, match[3]))
    return found


def unescaped(text: str) -> str:
    for code, sign in (("%3A", ":"), ("%2C", ","), ("%0A", "\n"), ("%0D", "\r"), ("%25", "%")):
        text = text.replace(code, sign)
    return text


def test_github_shows_a_stale_package_on_the_name_in_its_spec(
    project: Project, capsys: Capture
) -> None:
    check_report(checked(project, stale(project)), "github")
    out = capsys.readouterr().out
    ((command, properties, message),) = commands(out)
    assert command == "error"
    assert properties == {
        "file": "specs/gpt.yaml",
        "line": "2",
        "col": "1",
        "endLine": "2",
        "endColumn": "10",
        "title": "tgen check, gpt: stale-package",
    }
    said = "generated/gpt is stale: changed model.py, train.py; missing sample.py"
    assert unescaped(message) == f"{said}\nrun: tgen build specs/gpt.yaml"
    assert out.splitlines()[-1] == "0 of 1 packages are fresh; run: tgen build specs/gpt.yaml"


def test_github_gets_every_level_and_a_place_wherever_there_is_one(
    project: Project, capsys: Capture
) -> None:
    check_report(everything(project), "github")
    found = commands(capsys.readouterr().out)
    assert {command for command, *_ in found} == {"error", "warning", "notice"}
    edit = next(p for _, p, _ in found if p["title"].endswith("hand-edit"))
    assert (edit["file"], edit["line"]) == ("generated/kept/model.py", "42")
    orphan = next(p for _, p, _ in found if p["title"].endswith("orphan-package"))
    assert orphan["file"] == "generated/lost/tgen.lock"
    assert [p["title"] for _, p, _ in found if "file" not in p] == [
        "tgen check, new: interrupted-build"
    ]


def test_what_github_would_read_as_its_own_signs_is_escaped(
    project: Project, capsys: Capture
) -> None:
    at = Position("specs/a,b:c%.yaml", 1, 1, "x", 1)
    problem = Diagnostic("50% of\r\n::error:: lines, all", at)
    check_report(checked(project, outcome(project, problems=(problem,))), "github")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("::error file=specs/a%2Cb%3Ac%25.yaml,line=1,")
    assert first.endswith("::50%25 of%0D%0A::error:: lines, all")
    assert len(rest) == 1


@pytest.mark.parametrize("how", ["git", "workspace"])
def test_paths_start_at_the_repository_even_if_the_project_is_a_part_of_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    if how == "git":
        (tmp_path / ".git").touch()  # a file in a worktree, a folder elsewhere
    else:
        monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    project = project_at(tmp_path / "models/zoo")
    check_report(checked(project, stale(project)), "github")
    assert "file=models/zoo/specs/gpt.yaml," in capsys.readouterr().out


# ---- SARIF ----


def sarif_of(found: Checked, capsys: Capture) -> Any:
    check_report(found, "sarif")
    return json.loads(capsys.readouterr().out)


def assert_is_sarif(log: Any) -> None:
    """What the schema of SARIF 2.1.0 requires of the parts that are used."""
    assert log["version"] == "2.1.0" and "sarif-2.1.0" in log["$schema"]
    for run in log["runs"]:
        driver = run["tool"]["driver"]
        assert driver["name"] and driver["version"]
        ids = [rule["id"] for rule in driver["rules"]]
        assert len(set(ids)) == len(ids)
        for rule in driver["rules"]:
            assert rule["shortDescription"]["text"] and rule["help"]["text"]
            assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        (invocation,) = run["invocations"]
        assert isinstance(invocation["executionSuccessful"], bool)
        for note in invocation["toolExecutionNotifications"]:
            assert note["message"]["text"] and note["associatedRule"]["id"] in ids
        assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
        for result in run["results"]:
            assert ids[result["ruleIndex"]] == result["ruleId"]
            assert result["level"] in ("none", "note", "warning", "error")
            assert result["message"]["text"]
            (location,) = result["locations"]
            physical = location["physicalLocation"]
            artifact, region = physical["artifactLocation"], physical["region"]
            assert artifact["uriBaseId"] in run["originalUriBaseIds"]
            assert re.fullmatch(r"[A-Za-z0-9._~/%-]+", artifact["uri"])
            assert not artifact["uri"].startswith("/")
            assert 1 <= region["startLine"] <= region["endLine"]
            assert 1 <= region["startColumn"] <= region["endColumn"]


def test_code_scanning_gets_sarif_with_a_result_a_finding(
    project: Project, capsys: Capture
) -> None:
    log = sarif_of(everything(project), capsys)
    assert_is_sarif(log)
    (run,) = log["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == set(RULES)
    assert {result["ruleId"] for result in run["results"]} == set(RULES)
    (invocation,) = run["invocations"]
    assert invocation["exitCode"] == 4 and invocation["executionSuccessful"]
    (note,) = invocation["toolExecutionNotifications"]
    assert "a build of new had been cut off" in note["message"]["text"]
    assert str(project.root) not in json.dumps(log), "a path of this machine"


def test_sarif_counts_columns_in_utf_16(project: Project, capsys: Capture) -> None:
    line = 'modell: {"\U0001f600\U0001f600 e\u0301 \u00e9": 1, wrong: 2}'
    (run,) = sarif_of(checked(project, bad(project, line, "wrong")), capsys)["runs"]
    (result,) = run["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    start = line.index("wrong") + 2  # two of the signs before it are two units wide
    assert (region["startColumn"], region["endColumn"]) == (start + 1, start + 6)


def test_sarif_of_a_fresh_project_has_results_and_none(project: Project, capsys: Capture) -> None:
    log = sarif_of(checked(project, outcome(project), exit_code=0), capsys)
    assert_is_sarif(log)
    assert log["runs"][0]["results"] == []


def test_sarif_says_that_nothing_could_be_checked(project: Project, capsys: Capture) -> None:
    log = sarif_of(checked(project, exit_code=2, errors=[Diagnostic("no specs")]), capsys)
    assert_is_sarif(log)
    (invocation,) = log["runs"][0]["invocations"]
    assert not invocation["executionSuccessful"] and invocation["exitCode"] == 2
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "no specs"


def test_uris_are_percent_encoded(project: Project, capsys: Capture) -> None:
    at = Position("specs/a b#\u00e9.yaml", 1, 1, "x", 1)
    found = checked(project, outcome(project, problems=(Diagnostic("wrong", at),)))
    log = sarif_of(found, capsys)
    assert_is_sarif(log)
    assert '"uri": "specs/a%20b%23%C3%A9.yaml"' in json.dumps(log)


# ---- JSON ----


def test_programs_get_outcomes_findings_and_counts(project: Project, capsys: Capture) -> None:
    check_report(everything(project), "json")
    document = json.loads(capsys.readouterr().out)
    assert (document["version"], document["kind"], document["exit_code"]) == (1, "check", 4)
    assert document["orphans"] == ["generated/lost"]
    assert {"name": "gpt", "outcome": "finished"} in document["interrupted"]
    assert document["kinds"] == {"added": 1, "changed": 3, "conflict": 1, "edited": 1, "missing": 1}
    assert document["run"] == "tgen build"
    packages = {package["name"]: package for package in document["packages"]}
    assert packages["kept"]["edits"][0]["diff"] and not packages["kept"]["recorded"]
    finding = next(f for f in document["findings"] if f["rule"] == "hand-edit")
    assert (finding["path"], finding["line"], finding["column"], finding["end_column"]) == (
        "generated/kept/model.py",
        42,
        1,
        2,
    )


def test_the_page_names_every_rule_with_its_level_and_every_key(
    project: Project, capsys: Capture
) -> None:
    page = (ROOT / "docs/check.md").read_text(encoding="utf-8")
    for name, rule in RULES.items():
        assert f"| `{name}` | {rule.level} | {rule.meaning} | {rule.remedy} |" in page
    assert len(re.findall(r"^\| `[a-z]+-[a-z]+` \|", page, re.MULTILINE)) == len(RULES)
    check_report(everything(project), "json")
    document = json.loads(capsys.readouterr().out)
    package, finding = document["packages"][1], document["findings"][0]
    change = package["changes"][0]
    for keys in (document, package, change, finding, document["interrupted"][0]):
        for key in keys:
            assert f"`{key}`" in page, key
