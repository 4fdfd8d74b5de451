"""What a folder of sentence-transformers says beside the config.json of its model.

modules.json lists what texts go through: the model, a pooling and, in some, a norm. Its pooling is
in 1_Pooling/config.json, the most tokens of a text in sentence_bert_config.json.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codegen.errors import CheckpointError
from codegen.importers.config import LARGEST

MODULES, LENGTHS = "modules.json", "sentence_bert_config.json"
SETTINGS = "config_sentence_transformers.json"
KINDS = {  # of pooling, by the field that turns it on, or by its name in newer folders
    "pooling_mode_cls_token": "class",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "cls": "class",
    "mean": "mean",
    "lasttoken": "last",
}
MODE = "pooling_mode"


def read_sentences(folder: Path) -> dict[str, Any] | None:
    """What a spec says of it: parts of `model` and of `data`; None for a folder of another kind.

    CheckpointError names what an embedding can't be made with.
    """
    if not folder.is_dir() or not (folder / MODULES).is_file():
        return None
    steps = [(_kind_of(step, folder), step) for step in _list_of(folder)]
    kinds = [kind for kind, _ in steps]
    if kinds not in (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"]):
        wanted = "a Transformer, a Pooling and perhaps a Normalize"
        message = f"{folder / MODULES}: the modules are {', '.join(kinds)!r}, not {wanted}"
        raise CheckpointError(message)
    inside = _path_of(steps[0][1], folder)
    if inside != folder:
        raise CheckpointError(
            f"{folder / MODULES}: the model lies in another folder, {inside.name!r}",
            "move its files beside modules.json",
        )
    _refuse_changed_texts(folder)
    pooling = _pooling(_path_of(steps[1][1], folder) / "config.json")
    model = {"pooling": {"kind": pooling, "normalize": len(steps) > 2}}
    return {"model": model, **_length(folder / LENGTHS)}


def _list_of(folder: Path) -> list[dict[str, Any]]:
    steps = _read(folder / MODULES)
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise CheckpointError(f"{folder / MODULES}: not a list of modules")
    return steps


def _kind_of(step: dict[str, Any], folder: Path) -> str:
    """The name of a module's class: its last part, as packages have moved."""
    kind = step.get("type")
    if not isinstance(kind, str):
        raise CheckpointError(f"{folder / MODULES}: a module without a type")
    return kind.rpartition(".")[2]


def _path_of(step: dict[str, Any], folder: Path) -> Path:
    """Where a module lies: in the folder, or in one below it."""
    path = step.get("path", "")
    if not isinstance(path, str) or Path(path).is_absolute() or ".." in Path(path).parts:
        raise CheckpointError(f"{folder / MODULES}: {path!r} is no folder in this one")
    return folder / path


def _pooling(path: Path) -> str:
    """The one kind of pooling that is on."""
    said = _read(path)
    if not isinstance(said, dict):
        raise CheckpointError(f"{path}: not a mapping of fields")
    if isinstance(said.get(MODE), str | list):
        modes = said[MODE] if isinstance(said[MODE], list) else [said[MODE]]
    else:
        modes = [name for name, on in said.items() if name.startswith(f"{MODE}_") and on]
    kinds = [KINDS.get(mode) for mode in modes if isinstance(mode, str)]
    if len(kinds) != 1 or kinds[0] is None:
        shown = ", ".join(map(str, modes)) or "none"
        raise CheckpointError(
            f"{path}: an embedding is read by {shown!r} here, and not by one of the mean, the "
            "class token and the last token alone"
        )
    return kinds[0]


def _refuse_changed_texts(folder: Path) -> None:
    """What sentence-transformers makes of a text before the tokenizer has it."""
    for name, field, what in (
        (LENGTHS, "do_lower_case", "texts in lower case"),
        (SETTINGS, "default_prompt_name", "a prompt before each text"),
    ):
        said = _read(folder / name) if (folder / name).is_file() else {}
        if isinstance(said, dict) and said.get(field):
            message = f"{folder / name}: `{field}` asks for {what}, which packages don't make"
            raise CheckpointError(message, "take the field out, and change texts yourself")


def _length(path: Path) -> dict[str, Any]:
    """The most tokens of a text, where it is said."""
    said = _read(path) if path.is_file() else {}
    length = said.get("max_seq_length") if isinstance(said, dict) else None
    whole = isinstance(length, int) and not isinstance(length, bool) and length > 0
    return {"data": {"context_length": length}} if whole else {}


def _read(path: Path) -> Any:
    """A JSON file; CheckpointError if it isn't there, or isn't one."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(LARGEST).decode("utf-8-sig"))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON that can be read: {error}") from None
