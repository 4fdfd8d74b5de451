# Made from specs/streaming.yaml; make it again: tgen build specs/streaming.yaml
"""Write a trained streaming down as a model of transformers, with the code that it needs.

    python -m generated.streaming.export --checkpoint out/streaming --to exported/streaming

`AutoModelForCausalLM.from_pretrained("exported/streaming", trust_remote_code=True)` loads what is
there: model.py itself, which no type of transformers' own computes the same as. Files of the
tokenizer come along.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import check_kept, folder_of, read_json, weights, write_tensors
from .load import open_model
from .model import Config, Model
from .process import HelpFormatter, checked, command, leave

COMPANIONS = (  # of files beside a checkpoint that belong to the model, up to the dot
    *("tokenizer", "tokenizer_config", "special_tokens_map", "chat_template"),
    "generation_config",
)
MODELING = "modeling_streaming.py"
CODE = ("model.py", "attention.py", "ops.py", "kernels.py")  # those that there are
OWN = (
    *("config.json", "model.safetensors.index.json"),
    *("model.pt2", "model.onnx", "model.onnx.data"),
    *(MODELING, *CODE),
)
SPECIAL = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def config_there(config: Config) -> dict[str, Any]:
    """The fields of a config.json that leads to the model's code."""
    module = MODELING.removesuffix(".py")
    return {
        "architectures": ["StreamingForCausalLM"],
        "model_type": "streaming_own",
        "auto_map": {
            "AutoConfig": f"{module}.StreamingConfig",
            "AutoModelForCausalLM": f"{module}.StreamingForCausalLM",
        },
        "own": asdict(config),
        "tie_word_embeddings": False,
    }


def there(model: Model) -> Iterator[tuple[str, Tensor]]:
    """Each weight by its name in the model of transformers."""
    for name, tensor in weights(model).items():
        yield f"model.{name}", tensor


def cast(
    tensors: Iterable[tuple[str, Tensor]], dtype: torch.dtype | None
) -> Iterator[tuple[str, Tensor]]:
    """Copies, of floats in another type if one is asked for."""
    for name, tensor in tensors:
        kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        yield name, tensor.detach().to(kind, copy=True).contiguous()


def sizes_of(tensors: Iterable[tuple[str, Tensor]]) -> list[tuple[str, int]]:
    """The name of each tensor and its bytes."""
    return [(name, tensor.nbytes) for name, tensor in tensors]


def shards_of(sizes: Iterable[tuple[str, int]], most: int) -> list[dict[str, int]]:
    """The bytes of each tensor of each file, none of more than `most` if it holds several."""
    shards: list[dict[str, int]] = [{}]
    for name, size in sizes:
        if shards[-1] and sum(shards[-1].values()) + size > most:
            shards.append({})
        shards[-1][name] = size
    return shards


def write_weights(
    tensors: Iterator[tuple[str, Tensor]],
    shards: list[dict[str, int]],
    to: Path,
    said: dict[str, str],
) -> list[str]:
    """Files of the weights, and model.safetensors.index.json where there are several.

    Each file has `said` as its metadata. No more of the weights than one file has are held twice.
    """
    count = len(shards)
    names = [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    names = names if count > 1 else ["model.safetensors"]
    for name, shard in zip(names, shards, strict=True):
        write_tensors(to / name, dict(islice(tensors, len(shard))), said)
    if count > 1:
        places = {key: name for name, shard in zip(names, shards, strict=True) for key in shard}
        total = sum(sum(shard.values()) for shard in shards)
        index = {"metadata": {"total_size": total}, "weight_map": places}
        write_json(to / "model.safetensors.index.json", index)
    return names


def refuse_others(to: Path, overwrite: bool) -> None:
    """ValueError if what lies there is not to be replaced: only an export's own files ever are."""
    if to.is_symlink() or (to.exists() and not to.is_dir()):
        raise ValueError(f"--to {to} is no folder")
    found = sorted(path.name for path in to.iterdir()) if to.exists() else []
    others = [name for name in found if not is_own(name)]
    if others:
        raise ValueError(f"{to} holds other things, such as {others[0]!r}: choose another --to")
    if found and not overwrite:
        raise ValueError(f"{to} holds an export already: give --overwrite to write it anew")


def is_own(name: str) -> bool:
    """Whether an export writes files of this name."""
    return name in OWN or name.endswith(".safetensors") or name.partition(".")[0] in COMPANIONS


@contextmanager
def staged(to: Path) -> Iterator[Path]:
    """A folder to write to, which takes the place of `to` once all is there."""
    staging, old = (to.with_name(f".{to.name}.{end}") for end in ("partial", "old"))
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        yield staging
        shutil.rmtree(old, ignore_errors=True)
        if to.exists():
            to.rename(old)
        staging.rename(to)
    finally:
        if old.exists() and not to.exists():
            old.rename(to)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")


def copy_companions(folder: Path, to: Path) -> None:
    """The files of the tokenizer, and what is known of writing texts."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name.partition(".")[0] in COMPANIONS:
            check_kept(path, "bring it back")
            shutil.copyfile(path, to / path.name)
    if (to / "tokenizer.json").is_file():
        fields = read_json(folder / "tokenizer.json")
        if "kind" in fields:
            write_json(to / "tokenizer.json", tokenizer_there(fields))
        if not (to / "tokenizer_config.json").exists():
            write_json(to / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})


def tokenizer_there(own: dict[str, Any]) -> dict[str, Any]:
    """One of characters or bytes as the `tokenizers` package has it: a token for each."""
    each: dict[str, Any] = {"type": "Split", "pattern": {"Regex": "[\\s\\S]"}}
    each |= {"behavior": "Isolated", "invert": False}
    if own["kind"] == "byte":
        as_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False}
        as_bytes["use_regex"] = False
        parts, decoder = [as_bytes, each], as_bytes
        words = {letter: number for number, letter in enumerate(byte_letters())}
    else:
        parts, decoder = [each], {"type": "Fuse"}
        words = {letter: number for number, letter in enumerate(own["characters"])}
    return {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": parts},
        "decoder": decoder,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }


def byte_letters() -> list[str]:
    """The letter that byte-level tokenizers have for each byte: itself where it can be seen."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in seen else next(others)) for byte in range(256)]


def special_tokens(folder: Path, vocab_size: int) -> dict[str, int]:
    """Which tokens begin, end and pad a text, as generation_config.json or the tokenizer say."""
    path = folder / "generation_config.json"
    said = read_json(path) if path.is_file() else {}
    found = {name: said.get(name) for name in SPECIAL}
    return {name: n for name, n in found.items() if isinstance(n, int) and n < vocab_size}


def write_program(model: Model, to: Path, form: str) -> list[str]:
    """As one program, for tokens (B, T) of any number and length: model.pt2 or model.onnx.

    ValueError says why torch makes none: most often, as a branch goes by a size or by a number.
    """
    first, other = (torch.zeros(size, dtype=torch.int64) for size in ((2, 7), (3, 9)))
    sizes = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    logging.disable(logging.CRITICAL)  # torch would tell all that it has tried
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            said = {"tokens": sizes}
            program = torch.export.export(model, (first,), dynamic_shapes=said, strict=False)
            program.module()(other)
    except Exception as error:
        why = f"{error!s:.200}".partition("\n")[0]
        raise ValueError(f"torch.export makes no such program of this model: {why}") from None
    finally:
        logging.disable(logging.NOTSET)
    if form == "torch-export":
        torch.export.save(program, to / "model.pt2")
        return ["model.pt2"]
    try:
        torch.onnx.export(program, f=to / "model.onnx", verbose=False)
    except ImportError as error:
        raise ValueError(f"--format onnx needs onnxscript and onnx: {error}") from None
    return ["model.onnx"]


def size_of(text: str) -> int:
    """Bytes of a size such as 5GB, 200MB or 1000."""
    units = {"KB": 10**3, "MB": 10**6, "GB": 10**9}
    number, factor = text[:-2], units.get(text[-2:].upper())
    if factor is None:
        number, factor = text, 1
    if not number.isdecimal() or not int(number):
        raise ValueError(f"--shard-size {text!r} is no size such as 5GB")
    return int(number) * factor


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.export",
        usage="%(prog)s [options]",
        description="Write a trained streaming down as transformers does.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/streaming", help="a run's folder or one file")
    add("--to", type=Path, default="exported/streaming", help="the folder to make")
    forms = ("huggingface", "torch-export", "onnx")
    add("--format", default=forms[0], choices=forms, help="what to write")
    add("--dtype", default="", choices=("", *DTYPES), help="of the weights, if another")
    add("--shard-size", default="5GB", help="of a file of weights, at most")
    add("--overwrite", action="store_true", help="write an export anew that is there")
    return checked(parser.parse_args(arguments))


def write_there(model: Model, options: argparse.Namespace, to: Path, most: int) -> list[str]:
    """Writes config.json and the weights; the names of the weights' files."""
    folder = folder_of(options.checkpoint)
    fields = {
        **config_there(model.config),
        **special_tokens(folder, model.config.vocab_size),
    }
    dtype, said = DTYPES.get(options.dtype), {"format": "pt"}
    with torch.device("meta"):  # where sizes cost nothing
        sizes = sizes_of(cast(there(Model(model.config)), dtype))
    tensors = cast(there(model), dtype)
    own = (t.dtype for t in model.state_dict().values() if t.is_floating_point())
    kind = dtype or next(own)
    write_json(to / "config.json", {**fields, "dtype": str(kind).removeprefix("torch.")})
    shutil.copyfile(Path(__file__).with_name("modeling.py"), to / MODELING)
    for path in map(Path(__file__).with_name, CODE):
        if path.is_file():
            shutil.copyfile(path, to / path.name)
    return write_weights(tensors, shards_of(sizes, most), to, said)


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    most = size_of(options.shard_size)
    refuse_others(options.to, options.overwrite)
    model = open_model(options.checkpoint)
    folder = folder_of(options.checkpoint)
    with staged(options.to) as to:
        if options.format != "huggingface":
            model = model.to(DTYPES.get(options.dtype))
            names = write_program(model, to, options.format)
        else:
            names = write_there(model, options, to, most)
        copy_companions(folder, to)
    files = names[0] if len(names) == 1 else f"{len(names)} files of weights"
    if options.format != "huggingface":
        print(f"{options.to / files}")
        return 0
    print(f"{options.to}: config.json, {files}")
    print("AutoModelForCausalLM loads it with trust_remote_code")
    return 0


if __name__ == "__main__":
    leave(main())
