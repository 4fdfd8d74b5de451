"""Files of strangers: whatever they hold, one clear error within a second, in plain characters."""

from __future__ import annotations

import json
import random
import re
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from codegen.commands.import_ import import_folder
from codegen.commands.read_model import read_model
from codegen.errors import CheckpointError
from codegen.project import Project
from tests.importers.checkpoints import save
from tests.plain import EVIL, forged

INDEX = "model.safetensors.index.json"
WEIGHT = "model.layers.1.mlp.up_proj.weight"
FORMATS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
FORMATS += [name for name in dir(torch) if re.fullmatch(r"float8_\w+|complex(64|128)", name)]
HUGE = 10**12
SECONDS = 2.0  # of this process: others may be on the machine
Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save(folder, "LlamaConfig")
    first = tmp_path_factory.mktemp("first")  # which imports modules, and compiles templates
    import_folder(folder, Project(first, first / "specs", first / "generated"), test=False)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "checkpoint"))


def refusal(folder: Path) -> str:
    """What importing a folder is refused with; nothing is left behind."""
    root = folder.parent / "project"
    root.mkdir(exist_ok=True)
    before = time.process_time()
    with pytest.raises(CheckpointError) as caught:
        project = Project(root, root / "specs", root / "generated")
        import_folder(folder, project, name="mine", test=False)
    text = "\n".join(map(str, caught.value.diagnostics))
    assert time.process_time() - before < SECONDS, text
    assert len(text) < 40_000
    assert not forged(text)
    assert [path for path in root.rglob("*") if ".tgen" not in path.parts] == []
    return text


def with_fields(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def with_index(folder: Path, text: str) -> None:
    (folder / INDEX).write_text(text)


def with_dtype(folder: Path, dtype: str, bits: int) -> None:
    """One tensor said to be of a number format, of as many bytes as that takes."""
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    header, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    data = b""
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            part = bytes(80 * 48 * bits // 8) if name == WEIGHT else body[start:end]
            entry["data_offsets"] = [len(data), len(data) + len(part)]
            data += part
    header[WEIGHT]["dtype"] = dtype
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.mark.drawn
@pytest.mark.parametrize("dtype", FORMATS)
def test_what_is_no_weight_is_not_taken_for_one(dtype: str, folder: Path) -> None:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors[WEIGHT] = tensors[WEIGHT].to(getattr(torch, dtype))
    torch.save(tensors, folder / "pytorch_model.bin")
    try:
        save_file(tensors, path)
    except (KeyError, ValueError, RuntimeError):
        pytest.skip(f"safetensors holds no {dtype}")
    assert f"{WEIGHT} holds torch.{dtype}" in refusal(folder)


@pytest.mark.parametrize(("dtype", "bits"), [("F4", 4), ("F6_E2M3", 6), ("F6_E3M2", 6), ("X", 8)])
def test_a_number_format_of_tomorrow_is_an_error(dtype: str, bits: int, folder: Path) -> None:
    with_dtype(folder, dtype, bits)
    assert WEIGHT in refusal(folder) or dtype == "X"


@pytest.mark.parametrize(
    "file",
    [
        '"' + "x" * 100_000 + '"',
        "[" * 900 + "]" * 900,
        "[" * 100_000 + "]" * 100_000,
        '{"a": ' * 900 + "1" + "}" * 900,
        r'"x\u0000y"',
        r'"\ud800"',
        "3",
        "null",
        '"."',
        '""',
        '"../x"',
        json.dumps(EVIL),
    ],
    ids=lambda text: text[:12],
)
def test_an_index_with_an_odd_name_of_a_file(file: str, folder: Path) -> None:
    with_index(folder, f'{{"weight_map": {{"a": {file}}}}}')
    assert INDEX in refusal(folder)


@pytest.mark.parametrize(
    "index",
    [
        "{}",
        '{"weight_map": {}}',
        '{"weight_map": []}',
        '{"weight_map": "ab"}',
        json.dumps({"weight_map": {"x" * 1_000_000: "model.safetensors"}}),
        json.dumps({"weight_map": {EVIL: "model.safetensors"}}),
        json.dumps({"weight_map": {f"a{i}": f"f{i}" for i in range(100_000)}}),
    ],
    ids=lambda text: text[:20],
)
def test_an_index_of_odd_tensors(index: str, folder: Path) -> None:
    with_index(folder, index)
    assert INDEX in refusal(folder)


SIZES = "vocab_size hidden_size intermediate_size num_attention_heads num_hidden_layers head_dim"


@pytest.mark.parametrize("weights", [True, False])
@pytest.mark.parametrize("field", SIZES.split())
def test_a_size_that_no_model_has(field: str, weights: bool, folder: Path) -> None:
    with_fields(folder, **{field: HUGE})
    if not weights:
        (folder / "model.safetensors").unlink()
    assert "less than or equal" in (text := refusal(folder)) or "more than" in text
    assert f'"{field}": {HUGE}' in text.splitlines()[1]


@pytest.mark.parametrize("field", ["vocab_size", "intermediate_size"])
def test_a_checkpoint_smaller_than_its_config_takes_no_memory(field: str, folder: Path) -> None:
    with_fields(folder, **{field: 2**20})
    assert "has shape [" in refusal(folder)


@pytest.mark.parametrize("count", [10_000, 200_000, 1_000_000])
@pytest.mark.parametrize("field", ["short_factor", "layer_types", "stranger"])
def test_a_list_without_end(field: str, count: int, folder: Path) -> None:
    scaling = {"rope_type": "longrope", "long_factor": [1] * 4, "short_factor": [1] * count}
    odd: Any = {"short_factor": scaling, "layer_types": [1] * count, "stranger": [1] * count}
    with_fields(folder, **{"rope_parameters" if field == "short_factor" else field: odd[field]})
    assert "config.json:1:" in refusal(folder)


def test_a_hundred_thousand_unknown_fields_are_counted(folder: Path) -> None:
    with_fields(folder, **{f"x{index}": index for index in range(100_000)})
    assert "and 99,980 more fields" in refusal(folder)


@pytest.mark.parametrize("field", ["model_type", "architectures", "hidden_act", "strange"])
def test_a_text_without_end(field: str, folder: Path) -> None:
    long = "x" * 1_000_000
    with_fields(folder, **{field: [long] if field == "architectures" else long})
    assert "config.json:1:" in refusal(folder)


# --- what a file says is said in plain characters ----------------------------------------------


def evil_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    save_file({**load_file(path), EVIL: torch.zeros(1)}, path)


CHANGES: dict[str, Change] = {
    "field": lambda folder: with_fields(folder, **{EVIL: 1}),
    "value": lambda folder: with_fields(folder, strange=EVIL),
    "model_type": lambda folder: with_fields(folder, model_type=EVIL),
    "architecture": lambda folder: with_fields(folder, architectures=[EVIL]),
    "activation": lambda folder: with_fields(folder, hidden_act=EVIL),
    "number": lambda folder: with_fields(folder, hidden_size=EVIL),
    "layer type": lambda folder: with_fields(folder, layer_types=[EVIL] * 4),
    "scaling": lambda folder: with_fields(folder, rope_parameters={"rope_type": EVIL}),
    "field of a scaling": lambda folder: with_fields(folder, rope_parameters={EVIL: 1}),
    "raw text": lambda folder: (folder / "config.json").write_text('{"x": "' + EVIL + '"}'),
    "text within": lambda folder: (folder / "config.json").write_text('{"x": ' + EVIL + "}"),
    "tensor": evil_tensor,
    "number format": lambda folder: with_dtype(folder, EVIL, 8),
    "index": lambda folder: with_index(folder, json.dumps({"weight_map": {"a": EVIL}})),
    "indexed": lambda folder: with_index(folder, json.dumps({"weight_map": {EVIL: "a"}})),
    "weights": lambda folder: (folder / "model.safetensors").rename(folder / f"{EVIL}.safetensors"),
    "pickle": lambda folder: (folder / "model.safetensors").rename(
        folder / f"pytorch_model{EVIL}.bin"
    ),
}


@pytest.mark.parametrize("place", CHANGES)
def test_no_text_of_a_file_reaches_a_message_raw(place: str, folder: Path) -> None:
    CHANGES[place](folder)
    refusal(folder)


def test_no_name_of_a_folder_reaches_a_message_or_a_spec_raw(folder: Path) -> None:
    renamed = folder.rename(folder.with_name(EVIL))
    text = read_model(renamed).text
    assert not forged(text) and text.splitlines()[1] == "name: llama"
    (renamed / "config.json").unlink()
    refusal(renamed)


def test_random_bytes_in_random_places_forge_nothing(folder: Path) -> None:
    """What is no error is a package; what is one is said in plain characters."""
    text = (folder / "config.json").read_text()
    draw = random.Random(0)
    pieces = [EVIL, "\x1b[2J", "\u202e", "\x00", '"', "}", "\n::error::", "\ud7ff", "1e999", "[["]
    for _ in range(300):
        at = draw.randrange(len(text))
        changed = text[:at] + draw.choice(pieces) + text[at + draw.randrange(3) :]
        (folder / "config.json").write_text(changed)
        try:
            said = read_model(folder).text
        except CheckpointError as error:
            said = "\n".join(map(str, error.diagnostics))
        assert not forged(said)
