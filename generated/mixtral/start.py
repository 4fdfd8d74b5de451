# Made from specs/mixtral.yaml; make it again: tgen build specs/mixtral.yaml
"""A run starts from weights that are there: what differs is said, what may not differ refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .checkpoint import checkpoint_in, differences, folder_of, read_json, read_metadata, weights
from .digests import digest_of_tensor
from .export import config_there
from .model import Config, Model
from .options import Options
from .weights import load_huggingface, names_there, there

HEADS = (
    "head.",
    "head_",
    "distillation_head.",
    "projection.",
)  # beginnings of names of what only one task has
TABLES = (
    "token_embedding.weight",
    "head.weight",
)  # ends of names: a row for each token, or position
ADDED = (".lora_a", ".lora_b", ".magnitude")  # ends of names of what other packages train
HEADS_THERE = {
    "lm_head.weight",
}
TABLES_THERE = ("model.embed_tokens.weight", "lm_head.weight")
MODEL_TYPE = "mixtral"
COMPANIONS = (  # of a tokenizer.json, which say how chats become texts, and how texts are made
    *("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"),
    "generation_config.json",
)
NAMED = 6  # tensors in a line

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Stored:
    """A tensor in a file, which is read when it is needed."""

    path: Path
    name: str
    shape: Shape
    digest: str = ""  # "" where none was written

    def read(self) -> Tensor:
        with safe_open(self.path, framework="pt") as file:
            tensor: Tensor = file.get_tensor(self.name)
        if self.digest and digest_of_tensor(tensor) != self.digest:
            raise ValueError(f"{self.path} is damaged: {self.name} is not what was written")
        return tensor


def stored_in(path: Path, digests: Mapping[str, str]) -> dict[str, Stored]:
    """All tensors of a safetensors file, by name."""
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged, or no safetensors file: {error!s:.200}") from None
    return {name: Stored(path, name, shapes[name], digests.get(name, "")) for name in names}


@dataclass
class Compared:
    """How tensors of weights and of the model go together, by the model's names."""

    same: list[str]
    grown: list[str]  # tables that have more rows here
    new: dict[str, Shape]
    unused: dict[str, Shape]
    problems: list[str]


def compared(
    own: Mapping[str, Shape],
    there: Mapping[str, Shape],
    of_a_head: Callable[[str], bool],
    is_table: Callable[[str], bool],
) -> Compared:
    """What both have, and what not: heads may differ, tables have more rows, and nothing else."""
    found = Compared([], [], {}, {}, [])
    for name, shape in own.items():
        before = there.get(name)
        if before == shape:
            found.same.append(name)
        elif before and is_table(name):
            if before[1:] == shape[1:] and before[0] < shape[0]:
                found.grown.append(name)
            else:
                found.problems.append(f"{name} is {shape} here, and {before} there")
        elif of_a_head(name):
            found.new[name] = shape
        elif before is None:
            found.problems.append(f"{name} is missing there")
        else:
            found.problems.append(f"{name} is {shape} here, and {before} there")
    for name in sorted((there.keys() - own.keys()) | (found.new.keys() & there.keys())):
        found.unused[name] = there[name]
        if not of_a_head(name):
            found.problems.append(f"{name} is no part of this model")
    return found


def with_rows(stored: Stored, count: int) -> Tensor:
    """The tensor with as many rows: each that it lacks is the mean of those it has."""
    tensor = stored.read()
    mean = tensor.float().mean(0, keepdim=True).to(tensor.dtype)
    return torch.cat((tensor, mean.expand(count - len(tensor), *tensor.shape[1:])))


def tell(found: Compared, own: Mapping[str, Shape], there: Mapping[str, Shape]) -> None:
    """A line on what is new, on what is not used, and on each table that grows."""
    for what, names in (("new", found.new), ("not used", found.unused)):
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            listed = [f"{name} {shape}" for name, shape in sorted(names.items())[:NAMED]]
            print(f"{what}: {', '.join(listed)}{more}")
    for name in found.grown:
        before, now = there[name][0], own[name][0]
        print(f"{name}: {now - before:,} rows more, each the mean of {before:,}")


def tell_config(there: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """The fields that differ, of those that both have."""
    both = there.keys() & own.keys()
    one, other = ({name: said[name] for name in said if name in both} for said in (there, own))
    if different := differences(one, other):
        print(f"config, of the weights -> here: {different}")


def refuse(found: Compared, source: Path, grow: bool) -> None:
    """One ValueError that names all that does not fit."""
    problems = [*found.problems]
    if found.grown and not grow:
        problems.append(f"{', '.join(found.grown)} would have more rows: add them by --grow")
    if problems:
        raise ValueError(f"{source} does not fit this model: {'; '.join(problems)}")


def is_of_head(name: str) -> bool:
    return name.startswith(HEADS)


def is_table(name: str) -> bool:
    return name.endswith(TABLES)


def keep_companions(options: Options) -> None:
    """What is known of the tokenizer that the weights came with goes along with the new ones."""
    folder = folder_of(Path(options.from_))
    if options.from_ and Path(options.tokenizer) == folder / "tokenizer.json":
        for name in COMPANIONS:
            if (folder / name).is_file():
                shutil.copyfile(folder / name, Path(options.out) / name)


def widened(config: Config, options: Options) -> Config:
    """The config with as many tokens as the weights have, where the data have fewer."""
    if not options.from_:
        return config
    source = Path(options.out if options.resume else options.from_)
    if is_huggingface(source):
        said = read_json(source / "config.json")
    else:
        said = read_metadata(checkpoint_in(source))["config"]
    sizes = {name: said.get(name) for name in ("vocab_size",)}
    more: dict[str, Any] = {
        k: v for k, v in sizes.items() if isinstance(v, int) and v > getattr(config, k)
    }
    return replace(config, **more)


@torch.no_grad()
def start_from(model: Model, config: Config, options: Options) -> None:
    """The model's weights become those of --from, one tensor at a time."""
    source = Path(options.from_)
    print(f"starting from {source}")
    if is_huggingface(source):
        from_huggingface(model, config, source, options.grow)
        return
    path = checkpoint_in(source)
    saved = read_metadata(path)
    tell_config(saved["config"], asdict(config))
    files = stored_in(path, saved.get("tensors", {}))
    if any(name.endswith(".codes") for name in files):
        raise ValueError(f"{path} has weights of few bits: start from those it was made of")
    if any(name.endswith(ADDED) for name in files):
        raise ValueError(f"{path} holds what was added to weights: merge that first, by adapter.py")
    stored = {name[6:]: one for name, one in files.items() if name.startswith("model.")}
    own = weights(model)
    mine = {name: tuple(tensor.shape) for name, tensor in own.items()}
    shapes = {name: one.shape for name, one in stored.items()}
    found = compared(mine, shapes, is_of_head, is_table)
    refuse(found, path, options.grow)
    tell(found, mine, shapes)
    for name in found.same:
        own[name].copy_(stored[name].read())
    for name in found.grown:
        own[name].copy_(with_rows(stored[name], len(own[name])))


def is_huggingface(folder: Path) -> bool:
    """Whether a folder is as transformers writes them."""
    known = folder.is_dir() and (folder / "config.json").is_file()
    return known and not checkpoint_in(folder).is_file()


class Tensors(Mapping[str, Tensor]):
    """Tensors by name, each made when it is asked for."""

    def __init__(self, made: dict[str, Callable[[], Tensor]]) -> None:
        self.made = made

    def __getitem__(self, name: str) -> Tensor:
        return self.made[name]()

    def __iter__(self) -> Iterator[str]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder's weights; ValueError if one is missing."""
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        places = read_json(index).get("weight_map", {})
        names = sorted({Path(str(name)).name for name in places.values()})
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise ValueError(f"{folder} has no {', '.join(missing)}")
    return [folder / name for name in names]


def from_huggingface(model: Model, config: Config, folder: Path, grow: bool) -> None:
    """The weights become those of a folder of Hugging Face's."""
    said = read_json(folder / "config.json")
    if (kind := said.get("model_type")) != MODEL_TYPE:
        raise ValueError(f"{folder} is of the type {kind!r:.60}, not {MODEL_TYPE}")
    with suppress(ValueError):  # no config.json can be written for such sizes
        tell_config(said, config_there(config))
    files = {name: one for path in files_in(folder) for name, one in stored_in(path, {}).items()}
    names = names_there(Tensors({name: one.read for name, one in files.items()}))
    stored = {full: files[name] for full, name in names.items()}
    with torch.device("meta"):
        blank = Model(config)
        mine = {name: tuple(tensor.shape) for name, tensor in there(blank)}
    of_a_head, has_rows = HEADS_THERE.__contains__, TABLES_THERE.__contains__
    shapes = {name: one.shape for name, one in stored.items()}
    found = compared(mine, shapes, of_a_head, has_rows)
    rows = {name: mine[name][0] for name in found.grown if grow}
    left_out = {name for name in found.unused if of_a_head(name)}
    state = {name: one.read for name, one in stored.items() if name not in left_out}
    state |= {name: partial(with_rows, stored[name], rows[name]) for name in rows if name in stored}
    state |= {name: tensor.clone for name, tensor in there(model) if name in found.new}
    try:
        load_huggingface(model, Tensors(state))
    except ValueError as error:
        hint = "; --grow adds rows" if found.grown and not grow else ""
        raise ValueError(f"{folder}: {error}{hint}") from None
    found.unused |= {name: files[name].shape for name in files.keys() - set(names.values())}
    tell(found, mine, shapes)
