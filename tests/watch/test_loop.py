"""The loop, driven by a list of edits instead of an operating system."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegen.build.outcome import Outcome
from codegen.commands.build import build_packages
from codegen.commands.watch import Event, Gone, Rebuilt, Started, loop, watch
from codegen.commands.watch.look import Folders
from codegen.exit_codes import ExitCode
from codegen.project import Project
from tests.small_project import SPEC, write_project

Edit = Callable[[], object]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_project(tmp_path)
    return Project(tmp_path, tmp_path / "specs", tmp_path / "generated")


class OverError(Exception):
    """The edits are used up."""


def follow(project: Project, *edits: Edit) -> list[list[Event]]:
    """What is told at the start, and after each edit."""
    told: list[list[Event]] = [[]]
    left = iter(edits)

    def wait(folders: Folders) -> bool:
        edit = next(left, None)
        if edit is None:
            raise OverError
        told.append([])
        edit()
        return True

    with pytest.raises(OverError):
        for event in watch([], project, out=project.generated, wait=wait, test=False):
            told[-1].append(event)
    return told


def outcomes(events: list[Event]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for event in events:
        if isinstance(event, Rebuilt):
            assert not found, "one rebuild a look"
            found = {outcome.spec.name: outcome for outcome in event.outcomes}
    return found


def spec(project: Project, name: str, text: str) -> Edit:
    return lambda: (project.specs / f"{name}.yaml").write_text(text)


def layers(project: Project, name: str = "small") -> str:
    text = (project.generated / name / "model.py").read_text()
    return next(line.strip() for line in text.splitlines() if "layers: int" in line)


def test_what_is_stale_is_built_at_the_start_and_after_each_save(project: Project) -> None:
    start, saved = follow(project, spec(project, "small", SPEC.replace("layers: 2", "layers: 3")))
    assert isinstance(start[0], Started) and start[0].specs == 1
    assert outcomes(start)["small.yaml"].written
    assert outcomes(saved)["small.yaml"].written
    assert layers(project) == "layers: int = 3"


def test_a_look_that_finds_nothing_changed_builds_nothing(project: Project) -> None:
    _, none, same = follow(project, lambda: None, spec(project, "small", SPEC))
    assert none == []
    assert outcomes(same)["small.yaml"].fresh


def test_a_broken_spec_shows_its_error_stays_as_it_was_built_and_can_be_mended(
    project: Project,
) -> None:
    _, broken, half, mended = follow(
        project,
        spec(project, "small", SPEC.replace("layers", "layrs")),
        spec(project, "small", SPEC[:40] + "{"),
        spec(project, "small", SPEC.replace("layers: 2", "layers: 5")),
    )
    (problem,) = outcomes(broken)["small.yaml"].problems
    assert "specs/small.yaml:6:3: error: unknown field `layrs`" in str(problem)
    assert outcomes(half)["small.yaml"].exit_code == ExitCode.BAD_SPEC
    assert not outcomes(mended)["small.yaml"].problems
    assert layers(project) == "layers: int = 5"


def test_a_spec_follows_what_it_extends_though_that_was_missing_or_broken(
    project: Project,
) -> None:
    base = SPEC.replace("name: small\n", "")
    _, kid, made, broken, mended = follow(
        project,
        spec(project, "kid", "extends: ../base.yaml\nname: kid\n"),
        lambda: (project.root / "base.yaml").write_text(base),
        lambda: (project.root / "base.yaml").write_text("model: ["),
        lambda: (project.root / "base.yaml").write_text(base.replace("layers: 2", "layers: 4")),
    )
    assert "no such file" in str(outcomes(kid)["kid.yaml"].problems[0])
    assert outcomes(made).keys() == {"kid.yaml"} and outcomes(made)["kid.yaml"].written
    assert outcomes(broken)["kid.yaml"].problems
    assert outcomes(mended)["kid.yaml"].written and layers(project, "kid") == "layers: int = 4"


def test_a_save_during_a_build_is_built_next_and_never_taken_for_fresh(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from codegen.build import rendering

    render, path = rendering.render, project.specs / "small.yaml"
    saves = iter([SPEC.replace("layers: 2", "layers: 7")])

    def render_while_a_person_saves(*arguments: object) -> dict[str, str]:
        for text in saves:
            path.write_text(text)
        return render(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rendering, "render", render_while_a_person_saves)
    start, then = follow(project, lambda: None)
    assert outcomes(start)["small.yaml"].written and outcomes(then)["small.yaml"].written
    assert layers(project) == "layers: int = 7"


def test_a_hand_edit_is_carried_over_or_told_of_and_left_alone(project: Project) -> None:
    model = project.generated / "small/model.py"
    layers = "layers: int = 3", "layers: int = 9"
    _, edited, merged, _, disputed = follow(
        project,
        lambda: model.write_text(model.read_text() + "\n# mine\n"),
        spec(project, "small", SPEC.replace("layers: 2", "layers: 3")),
        lambda: model.write_text(model.read_text().replace(*layers)),
        spec(project, "small", SPEC.replace("layers: 2", "layers: 4")),
    )
    assert edited == []
    assert outcomes(merged)["small.yaml"].written
    assert outcomes(disputed)["small.yaml"].exit_code == ExitCode.HAND_EDIT
    assert model.read_text().endswith("# mine\n") and layers[1] in model.read_text()


def test_a_deleted_spec_is_told_of_and_its_package_stays(project: Project) -> None:
    _, gone = follow(project, (project.specs / "small.yaml").unlink)
    assert gone == [Gone("small", project.specs / "small.yaml", project.generated / "small")]
    assert (project.generated / "small/model.py").exists()


def test_a_renamed_spec_goes_on_with_its_package(project: Project) -> None:
    path = project.specs / "small.yaml"
    _, moved = follow(project, lambda: path.rename(project.specs / "other.yaml"))
    (event,) = moved
    assert isinstance(event, Rebuilt) and not event.outcomes[0].problems


def test_a_spec_under_another_name_leaves_a_package_that_is_told_of(project: Project) -> None:
    _, named = follow(project, spec(project, "small", SPEC.replace("name: small", "name: new")))
    assert outcomes(named)["small.yaml"].name == "new"
    assert isinstance(named[-1], Gone) and named[-1].name == "small"


def test_a_name_that_is_taken_is_refused_until_it_is_free(project: Project) -> None:
    _, twin, other, freed = follow(
        project,
        spec(project, "twin", SPEC.replace("layers: 2", "layers: 9")),
        spec(project, "other", SPEC.replace("name: small", "name: other")),
        (project.specs / "small.yaml").unlink,
    )
    assert "the name `small` is taken" in str(outcomes(twin)["twin.yaml"].problems[0])
    assert outcomes(other).keys() == {"other.yaml"}
    assert outcomes(freed)["twin.yaml"].written and layers(project) == "layers: int = 9"
    assert not any(isinstance(event, Gone) for event in freed)


def test_one_spec_that_no_stage_expected_stops_neither_the_watch_nor_the_others(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = build_packages

    def fails_on_odd(specs: list[Path], *rest: object, **options: object) -> list[Outcome]:
        if any(path.stem == "odd" for path in specs):
            raise ZeroDivisionError("nobody thought of this")
        return build(specs, *rest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "build_packages", fails_on_odd)
    spec(project, "odd", SPEC.replace("name: small", "name: odd"))()
    start, saved = follow(project, spec(project, "small", SPEC.replace("layers: 2", "layers: 3")))
    assert "nobody thought of this" in str(outcomes(start)["odd.yaml"].problems[0])
    assert outcomes(start)["small.yaml"].written and outcomes(saved)["small.yaml"].written


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the templates, which everything reads instead."""
    from codegen import project
    from codegen.build import freshness
    from codegen.commands.watch import look
    from codegen.render import render

    copy = tmp_path / "templates"
    shutil.copytree(project.templates_folder(), copy)
    for module in (freshness, render, look):
        monkeypatch.setattr(module, "templates_folder", lambda: copy)
    freshness.forget_templates()
    yield copy
    monkeypatch.undo()
    freshness.forget_templates()


def test_a_saved_template_even_an_included_one_is_in_every_package_at_once(
    project: Project, templates: Path
) -> None:
    spec(project, "other", SPEC.replace("name: small", "name: other"))()
    part = templates / "transformer/mlp.py.jinja"
    assert "#% include part.template" in (templates / "transformer/classes.py.jinja").read_text()
    text = part.read_text()
    added = '\n\nMLP_NOTE = "new"\n'
    config = templates / "package/config.py.jinja"
    _, saved, broken, undefined, mended = follow(
        project,
        lambda: config.write_text(
            config.read_text().replace("class Config:", "class Config:  # x")
        ),
        lambda: part.write_text(text + "\n{% if %}\n"),
        lambda: part.write_text(text + "\n{{ nowhere.at_all }}\n"),
        lambda: part.write_text(text + added),
    )
    assert outcomes(saved).keys() == {"small.yaml", "other.yaml"}
    for name in ("small", "other"):
        assert "class Config:  # x" in (project.generated / name / "model.py").read_text()
    (problem,) = outcomes(broken)["small.yaml"].problems
    assert "mlp.py.jinja" in str(problem) and "broken" in str(problem)
    (problem,) = outcomes(undefined)["other.yaml"].problems
    last = len(text.splitlines()) + 2
    assert f"mlp.py.jinja:{last}: the template is broken: 'nowhere' is undefined" in str(problem)
    assert all(not outcome.problems for outcome in outcomes(mended).values())


def test_a_template_counts_by_what_it_holds_not_by_when_it_was_saved(
    project: Project, templates: Path
) -> None:
    config = templates / "package/config.py.jinja"

    def restore_another_version() -> None:
        saved = config.stat().st_mtime_ns
        config.write_text(config.read_text().replace("class Config:", "class Config:  # x"))
        os.utime(config, ns=(saved, saved))

    follow(project, restore_another_version)
    assert "class Config:  # x" in (project.generated / "small/model.py").read_text()


def test_verdicts_are_of_the_templates_that_were_read(project: Project, templates: Path) -> None:
    config = templates / "package/config.py.jinja"
    first = config.read_text()
    second = first.replace("class Config:", "class Config:  # x")
    follow(project, lambda: config.write_text(second))
    (now,) = build_packages([project.specs / "small.yaml"], project, out=project.generated)[:1]
    assert now.fresh and "# x" in (project.generated / "small/model.py").read_text()
    config.write_text(first)
    follow(project)
    assert "# x" not in (project.generated / "small/model.py").read_text()
