"""What a folder of sentence-transformers says beside the config.json of its model.

modules.json lists what texts go through: the model, a pooling and, in some, a dense layer and a
norm. Its pooling is in 1_Pooling/config.json, the dense layer in 2_Dense/, the most tokens of a
text in sentence_bert_config.json, and what stands before it in config_sentence_transformers.json.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from codegen.errors import CheckpointError
from codegen.importers.json_files import read_fields, read_json

MODULES, LENGTHS = "modules.json", "sentence_bert_config.json"
SETTINGS, TOKENIZER = "config_sentence_transformers.json", "tokenizer_config.json"
ENDLESS = 10**9  # a tokenizer that knows of no limit says more
KINDS = {  # of pooling, by the field that turns it on, or by its name in newer folders
    "pooling_mode_cls_token": "class",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_lasttoken": "last",
    "cls": "class",
    "mean": "mean",
    "lasttoken": "last",
}
MODE = "pooling_mode"
ORDER = ("Transformer", "Pooling", "Dense", "Normalize")  # of which the last two may be missing
ACTIVATIONS = {  # of a dense layer, by the last part of their names
    "Identity": "identity",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "SiLU": "silu",
    "Sigmoid": "sigmoid",
}
OF_DENSE = ("in_features", "out_features", "bias", "activation_function")


def read_sentences(folder: Path) -> dict[str, Any] | None:
    """What a spec says of it: parts of `model` and of `data`; None for a folder of another kind.

    CheckpointError names what an embedding can't be made with.
    """
    if not folder.is_dir() or not (folder / MODULES).is_file():
        return None
    steps = _steps(folder)
    inside = steps["Transformer"]
    if inside != folder:
        raise CheckpointError(
            f"{folder / MODULES}: the model lies in another folder, {inside.name!r}",
            "move its files beside modules.json",
        )
    _refuse_changed_texts(folder)
    data = {**_length(folder), **_prompts(folder / SETTINGS)}
    pooling = _pooling(steps["Pooling"] / "config.json", prompted="prompts" in data)
    model: dict[str, Any] = {"pooling": {"kind": pooling, "normalize": "Normalize" in steps}}
    if "Dense" in steps:
        model["head"] = _dense(steps["Dense"] / "config.json")
    return {"model": model, **({"data": data} if data else {})}


def dense_folder(folder: Path) -> Path | None:
    """Where the dense layer of a folder of sentence-transformers lies, if it has one."""
    return _steps(folder).get("Dense") if (folder / MODULES).is_file() else None


def _steps(folder: Path) -> dict[str, Path]:
    """Where each module lies, by its kind: at most one of each, in the one order there is."""
    steps = [(_kind_of(step, folder), _path_of(step, folder)) for step in _list_of(folder)]
    kinds = [kind for kind, _ in steps]
    if kinds != [kind for kind in ORDER if kind in kinds or kind in ORDER[:2]]:
        wanted = "a Transformer, a Pooling and perhaps a Dense and a Normalize"
        shown = ", ".join(kinds)
        raise CheckpointError(f"{folder / MODULES}: the modules are {shown!r}, not {wanted}")
    return dict(steps)


def _list_of(folder: Path) -> list[dict[str, Any]]:
    steps = read_json(folder / MODULES)
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


def _pooling(path: Path, *, prompted: bool) -> str:
    """The one kind of pooling that is on."""
    said = read_fields(path)
    if prompted and said.get("include_prompt") is False:
        message = f"{path}: `include_prompt` leaves the prompt's tokens out, which packages don't"
        raise CheckpointError(message, f"take the prompts out of {SETTINGS}")
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


def _dense(path: Path) -> dict[str, Any]:
    """The layer between pooling and embedding, as the head's; its width as `dim`."""
    said = read_fields(path)
    name = str(said.get("activation_function", "torch.nn.modules.activation.Tanh"))
    activation = ACTIVATIONS.get(name.rpartition(".")[2])
    if activation is None:
        raise CheckpointError(f"{path}: `activation_function` {name!r} is none of {ACTIVATIONS}")
    for field, value in said.items():
        whose = field in ("module_input_name", "module_output_name")
        if field not in OF_DENSE and not (whose and value in (None, "sentence_embedding")):
            raise CheckpointError(f"{path}: what `{field}` = {value!r} does is not known")
    width, bias = said.get("out_features"), said.get("bias", True)
    if not isinstance(width, int) or not isinstance(bias, bool):
        raise CheckpointError(f"{path}: `out_features` is no number, or `bias` neither on nor off")
    return {"transform": {"activation": activation, "norm": False, "bias": bias}, "dim": width}


def _refuse_changed_texts(folder: Path) -> None:
    """What sentence-transformers makes of a text before the tokenizer has it."""
    said = read_json(folder / LENGTHS) if (folder / LENGTHS).is_file() else {}
    if isinstance(said, dict) and said.get("do_lower_case"):
        what = "`do_lower_case` asks for texts in lower case, which packages don't make"
        hint = "take the field out, and change texts yourself"
        raise CheckpointError(f"{folder / LENGTHS}: {what}", hint)


def _prompts(path: Path) -> dict[str, Any]:
    """What may stand before a text, by name, and which of them does by default."""
    said = read_fields(path) if path.is_file() else {}
    prompts, usual = said.get("prompts") or {}, said.get("default_prompt_name")
    texts = isinstance(prompts, dict) and all(isinstance(one, str) for one in prompts.values())
    if not texts or not isinstance(usual, str | None):
        raise CheckpointError(f"{path}: `prompts` are no texts by name")
    if usual is not None and usual not in prompts:
        raise CheckpointError(f"{path}: `default_prompt_name` {usual!r} is none of `prompts`")
    there = {name: text for name, text in prompts.items() if text}
    return {
        **({"prompts": there} if there else {}),
        **({"prompt": usual} if usual in there else {}),
    }


def _length(folder: Path) -> dict[str, Any]:
    """The most tokens of a text, where it is said: for sentences, or of the tokenizer."""
    for name, field in ((LENGTHS, "max_seq_length"), (TOKENIZER, "model_max_length")):
        said = read_json(folder / name) if (folder / name).is_file() else {}
        length = said.get(field) if isinstance(said, dict) else None
        if isinstance(length, int) and not isinstance(length, bool) and 0 < length < ENDLESS:
            return {"context_length": length}
    return {}
