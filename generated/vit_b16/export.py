# Made from specs/vit_b16.yaml; make it again: tgen build specs/vit_b16.yaml
"""Write a trained vit_b16 down as transformers does its vit models.

    python -m generated.vit_b16.export --checkpoint out/vit_b16 --to exported/vit_b16

`AutoModelForImageClassification.from_pretrained("exported/vit_b16")` loads what is there, and so
does whatever reads such folders. Files of the tokenizer and generation_config.json, if they lie
beside the checkpoint, come along.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .checkpoint import check_kept, folder_of, read_json, write_tensors
from .load import open_model
from .model import Config, Model
from .process import HelpFormatter, checked, command, leave
from .weights import there

COMPANIONS = (  # of files beside a checkpoint that belong to the model, up to the dot
    *("tokenizer", "tokenizer_config", "special_tokens_map", "chat_template"),
    "generation_config",
)
OWN = (
    *("config.json", "model.safetensors.index.json"),
    *("model.pt2", "model.onnx", "model.onnx.data"),
)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


SAID = {  # in every config.json of this model
    "architectures": ["ViTForImageClassification"],
    "model_type": "vit",
    "qkv_bias": True,
    "hidden_act": "gelu",
    "attention_probs_dropout_prob": 0.0,
    "hidden_dropout_prob": 0.0,
}


def config_there(config: Config) -> dict[str, Any]:
    """The fields of a config.json of the type vit, for a Config of this package.

    ValueError names what of the Config none of them says.
    """
    refuse_unsayable(config)
    return {
        **SAID,
        "image_size": config.image_size,
        "patch_size": config.patch_size,
        "num_channels": config.channels,
        "hidden_size": config.d_model,
        "num_hidden_layers": config.layers,
        "layer_norm_eps": config.norm_eps,
        "num_attention_heads": config.heads,
        "intermediate_size": config.d_ff,
    }


def refuse_unsayable(config: Config) -> None:
    """ValueError names what of the Config no field there says, and what it is there."""
    implied: dict[str, Any] = {
        "head_dim": config.d_model // config.heads,
    }
    for name, value in implied.items():
        if (own := getattr(config, name)) != value:
            says = f"{value} in every vit of such sizes, and {own} here"
            raise ValueError(f"no field of config.json says {name}: it is {says}")


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


def classes_there(path: Path, count: int) -> dict[str, Any]:
    """The classes' names, as training wrote them, or their numbers."""
    names = read_json(path)["classes"] if path.is_file() else range(count)
    if len(names) != count:
        raise ValueError(f"{path} does not name the {count} classes of the model")
    return {
        "id2label": {str(number): f"{name}" for number, name in enumerate(names)},
        "label2id": {f"{name}": number for number, name in enumerate(names)},
    }


def write_program(model: Model, to: Path, form: str) -> list[str]:
    """As one program, for any number of images: model.pt2 or model.onnx.

    ValueError says why torch makes none: most often, as a branch goes by a size or by a number.
    """
    shape = model.config.channels, model.config.image_size, model.config.image_size
    first, other = torch.zeros(2, *shape), torch.zeros(3, *shape)
    sizes = {0: torch.export.Dim.AUTO}
    logging.disable(logging.CRITICAL)  # torch would tell all that it has tried
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            said = {"images": sizes}
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
        description="Write a trained vit_b16 down as transformers does.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/vit_b16", help="a run's folder or one file")
    add("--to", type=Path, default="exported/vit_b16", help="the folder to make")
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
        **classes_there(folder / "images.json", model.config.classes),
    }
    dtype, said = DTYPES.get(options.dtype), {"format": "pt"}
    with torch.device("meta"):  # where sizes cost nothing
        sizes = sizes_of(cast(there(Model(model.config)), dtype))
    tensors = cast(there(model), dtype)
    own = (t.dtype for t in model.state_dict().values() if t.is_floating_point())
    kind = dtype or next(own)
    write_json(to / "config.json", {**fields, "dtype": str(kind).removeprefix("torch.")})
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
    print("AutoModelForImageClassification loads it")
    return 0


if __name__ == "__main__":
    leave(main())
