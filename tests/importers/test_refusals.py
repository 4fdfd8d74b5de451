"""What can't be imported is refused with a clear error at its place, and leaves nothing behind."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from codegen.commands.import_ import Imported, import_folder
from codegen.errors import CheckpointError, HandEditError, TgenError
from codegen.project import Project
from tests.importers.checkpoints import save

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny llama, as save_pretrained leaves it."""
    folder = tmp_path_factory.mktemp("saved") / "llama"
    save(folder, "LlamaConfig")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy of it, to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    root.mkdir()
    return Project(root, root / "specs", root / "generated")


def left(project: Project) -> list[str]:
    """What lies in a project, tgen's own cache aside."""
    files = [path.relative_to(project.root).as_posix() for path in project.root.rglob("*")]
    return sorted(path for path in files if not path.startswith(".tgen"))


def run(folder: Path, project: Project, **options: Any) -> Imported:
    return import_folder(folder, project, name="mine", test=False, **options)


def refusal(folder: Path, project: Project, **options: Any) -> str:
    """The text of the error, after which nothing new lies in the project."""
    before = left(project)
    with pytest.raises(TgenError) as caught:
        run(folder, project, **options)
    assert caught.value.exit_code == 2
    assert left(project) == before
    return str(caught.value)


def changed(folder: Path, **fields: Any) -> Path:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps(config, indent=2))
    return path


# --- config.json ---------------------------------------------------------------------------------


def test_a_folder_that_is_not_there(tmp_path: Path, project: Project) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere", project)


def test_a_file_that_is_no_config(folder: Path, project: Project) -> None:
    assert "give the folder" in refusal(folder / "model.safetensors", project)


def test_a_folder_without_a_config_names_one_inside(folder: Path, project: Project) -> None:
    text = refusal(folder.parent, project)
    assert "no config.json here" in text and "checkpoint" in text


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (b'{"model_type": "llama",\n "hidden_size": }', 2, "not JSON"),
        (b'{"model_type": "llama"\n', 2, "not JSON"),
        (b"", 1, "not JSON"),
        (b"\n[1, 2]", 2, "a config is a mapping"),
        (b'{"model_type": "llama",\n\n "model_type": "llama"}', 3, "stands twice"),
        (b'{\n "model_type": 7}', 2, "expected the name of a type"),
    ],
)
def test_a_config_that_is_no_config(
    content: bytes, line: int, message: str, folder: Path, project: Project
) -> None:
    path = folder / "config.json"
    path.write_bytes(content)
    text = refusal(folder, project)
    assert text.startswith(f"{path}:{line}:") and message in text


def test_a_config_that_is_no_text(folder: Path, project: Project) -> None:
    (folder / "config.json").write_bytes(b"\xff\xfe{}")
    assert "not UTF-8" in refusal(folder, project)


def test_a_config_nested_without_end(folder: Path, project: Project) -> None:
    (folder / "config.json").write_text('{"model_type": "llama", "x": ' + "[" * 100_000)
    assert "not JSON" in refusal(folder, project)


def test_a_config_without_a_model_type(folder: Path, project: Project) -> None:
    (folder / "config.json").write_text("{}")
    assert "`model_type` is missing" in refusal(folder, project)


def test_an_unknown_type_names_the_nearest(folder: Path, project: Project) -> None:
    changed(folder, model_type="lama")
    text = refusal(folder, project)
    assert "`lama`" in text and "nearest: llama" in text and re.search(r"\d+ types are known", text)


def test_heads_that_the_mapping_is_not_for(folder: Path, project: Project) -> None:
    changed(folder, architectures=["LlamaForQuestionAnswering"])
    assert "not LlamaForQuestionAnswering" in refusal(folder, project)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("hidden_size", "a", "expected a whole number, got 'a'"),
        ("hidden_size", 0, "greater than or equal to 1"),
        ("hidden_size", 48.5, "expected a whole number"),
        ("num_hidden_layers", -3, "greater than or equal to 1"),
        ("num_hidden_layers", 10**9, "layers, more than"),
        ("num_key_value_heads", 4, "can't share 4 key-value heads"),
        ("num_attention_heads", [6], "expected a whole number, got a list"),
        ("rms_norm_eps", "tiny", "expected a number"),
        ("tie_word_embeddings", "yes", "expected true or false"),
        ("hidden_act", "weird", "got 'weird'"),
        ("hidden_act", ["silu"], "unhashable"),
        ("rope_parameters", {"rope_type": "weird"}, "`rope_type` = 'weird'"),
        ("rope_parameters", {"rope_type": "linear"}, "there is no 'factor'"),
        ("rope_parameters", {"rope_type": "default", "twist": 3}, "`twist` = 3"),
        ("rope_parameters", 7, "rope_parameters"),
        ("partial_rotary_factor", 0.5, "can't be imported faithfully"),
        ("quantization_config", {"bits": 4}, "quantised"),
        ("pruned_heads", {"0": [1]}, "pruned"),
        ("new_trick", True, "`new_trick` = true can't be imported faithfully"),
        ("new_trick", None, "`new_trick` = null can't be imported faithfully"),
    ],
)
def test_a_field_that_can_not_be_imported_is_shown_in_its_place(
    field: str, value: Any, message: str, folder: Path, project: Project
) -> None:
    path = changed(folder, **{field: value})
    text = refusal(folder, project)
    (line,) = [n for n, t in enumerate(path.read_text().splitlines(), 1) if f'"{field}"' in t]
    assert message in text
    assert f"{path}:{line}:" in text


def test_all_strange_fields_are_named_at_once(folder: Path, project: Project) -> None:
    changed(folder, new_trick=1, other_trick=2)
    text = refusal(folder, project)
    assert "new_trick" in text and "other_trick" in text


# --- weights -------------------------------------------------------------------------------------


def respelled(folder: Path, change: Change) -> None:
    """The weights file after a change to its tensors."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


NORM = "model.layers.1.input_layernorm.weight"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop(NORM), f"{NORM} is missing"),
        (lambda t: t.update(stranger=torch.zeros(2)), "'stranger' is not part of this model"),
        (lambda t: t.update({NORM: torch.zeros(3)}), f"{NORM} has shape [3], not [48]"),
        (lambda t: t.clear(), "is missing"),
    ],
)
def test_weights_that_do_not_fit(
    change: Change, message: str, folder: Path, project: Project
) -> None:
    respelled(folder, change)
    assert message in refusal(folder, project)


def test_a_damaged_file(folder: Path, project: Project) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "damaged" in refusal(folder, project)


def sharded(folder: Path) -> list[Path]:
    """The folder with its weights in several files; the files."""
    shutil.rmtree(folder)
    save(folder, "LlamaConfig", shards="40KB")
    files = sorted(folder.glob("model-*.safetensors"))
    assert len(files) > 3
    return files


def test_a_missing_shard(folder: Path, project: Project) -> None:
    files = sharded(folder)
    files[1].unlink()
    assert files[1].name in refusal(folder, project)


@pytest.mark.parametrize("index", ["{", "{}", '{"weight_map": {"a": "../../etc/passwd"}}', "[]"])
def test_an_index_that_is_none(index: str, folder: Path, project: Project) -> None:
    sharded(folder)
    (folder / "model.safetensors.index.json").write_text(index)
    assert "model.safetensors.index.json" in refusal(folder, project)


def test_an_index_that_does_not_list_its_files(folder: Path, project: Project) -> None:
    sharded(folder)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    index["weight_map"].pop(NORM)
    path.write_text(json.dumps(index))
    assert NORM in refusal(folder, project)


def pickled(folder: Path) -> Path:
    """The weights as older releases wrote them."""
    weights, old = folder / "model.safetensors", folder / "pytorch_model.bin"
    torch.save(load_file(weights), old)
    weights.unlink()
    return old


def test_a_pickle_is_refused_unless_allowed(folder: Path, project: Project) -> None:
    pickled(folder)
    text = refusal(folder, project)
    assert "--allow-pickle" in text
    assert run(folder, project, allow_pickle=True).record["parameters"] > 0


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (eval, ("open('evil', 'w').close()",))


def test_a_pickle_runs_nothing(
    folder: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    path = pickled(folder)
    torch.save({"a": Evil()}, path)
    assert "can't be read as weights" in refusal(folder, project, allow_pickle=True)
    path.write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    assert "can't be read as weights" in refusal(folder, project, allow_pickle=True)
    assert not (folder / "evil").exists()


# --- what is there already -----------------------------------------------------------------------


def test_a_spec_of_the_same_name_is_kept(folder: Path, project: Project) -> None:
    project.specs.mkdir()
    (project.specs / "mine.yaml").write_text("name: mine\n")
    assert "--name" in refusal(folder, project)


def test_a_name_that_can_not_be_one(folder: Path, project: Project) -> None:
    with pytest.raises(TgenError, match="can't be a package name"):
        import_folder(folder, project, name="My Model", test=False)
    assert left(project) == []


@pytest.mark.parametrize("name", ["../up", "a/b", "", "torch"])
def test_a_name_leads_nowhere_else(name: str, folder: Path, project: Project) -> None:
    with pytest.raises(TgenError):
        import_folder(folder, project, name=name, test=False)
    assert left(project) == []


def test_a_hand_edit_is_not_lost(folder: Path, project: Project) -> None:
    run(folder, project)
    edited = project.generated / "mine/model.py"
    edited.write_text("mine\n")
    changed(folder, rms_norm_eps=0.5)
    (project.specs / "mine.yaml").unlink()
    before = (project.root / "weights/mine/weights.json").read_bytes()
    with pytest.raises((HandEditError, CheckpointError), match="you deleted it"):
        run(folder, project)
    assert edited.read_text() == "mine\n"
    assert not (project.specs / "mine.yaml").exists()
    assert (project.root / "weights/mine/weights.json").read_bytes() == before


def test_the_same_import_again_changes_nothing(folder: Path, project: Project) -> None:
    run(folder, project)
    files = {path: (project.root / path).read_bytes() for path in left(project) if "." in path}
    run(folder, project)
    assert files == {p: (project.root / p).read_bytes() for p in left(project) if "." in p}
