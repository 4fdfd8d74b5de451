# Made from specs/sentence_embedding.yaml; make it again: tgen build specs/sentence_embedding.yaml
"""How well trained models of sentence_embedding find the texts that belong together.

    python -m generated.sentence_embedding.evaluate --checkpoint out/sentence_embedding
    python -m generated.sentence_embedding.evaluate --checkpoint out/sentence_embedding --data \
        other_pairs.tsv

Of the pairs that the run held out, or of all pairs of files, the second texts are looked for: by
how near their vectors are to that of the first, among all second texts. Texts that are the same
count as one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .checkpoint import check_data, check_kinds, folder_of, read_metadata
from .data import Pair, Tokenizer, encode, files_named, padded, read_data, read_rows
from .embed import find_tokenizer
from .figures import Figure, Figures, Found, lines_of, mean, write_json
from .load import load
from .model import Config, Model
from .options import Options
from .process import HelpFormatter, checked, command, leave

COMPARED = "found first", "among 10", "mean reciprocal rank"  # in a table of several models
AMONG = (5, 10)
ROWS = 1024  # whose similarities are held at once
NEAR = 1e-6  # vectors of one text differ by less, whatever it is read beside


def pairs_of(
    options: argparse.Namespace, tokenizer: Tokenizer, config: Config
) -> tuple[list[Pair], str]:
    """What is measured, and where it is from."""
    if not options.data:
        return held_out(options, config)
    context = min(options.context_length, config.context_length)
    rows = [row for path in files_named(options.data) for row in read_rows(path)]
    found = [
        (encode(tokenizer, one, context), encode(tokenizer, other, context)) for one, other in rows
    ]
    return found, " ".join(options.data)


def held_out(options: argparse.Namespace, config: Config) -> tuple[list[Pair], str]:
    """What the run did not train on."""
    folder = folder_of(options.checkpoint)
    path = folder / "checkpoint.safetensors"
    saved = read_metadata(path).get("options") if path.is_file() else None
    if not isinstance(saved, dict):
        raise ValueError(f"no run says in {path} what it held out: give a file with --data")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    run = replace(Options(**saved), out=str(folder), resume=True)  # with its own tokenizer
    data, _ = read_data(run, config)
    check_data(read_metadata(path), data.digests(), path, "give a file with --data")
    return data.validation, " ".join(run.data)


@torch.inference_mode()
def vectors_of(model: Model, texts: list[list[int]], options: argparse.Namespace) -> Tensor:
    """Of length one, in the order of the texts. (N, width)"""
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    found = [torch.empty(0)] * len(texts)
    for first in range(0, len(texts), options.batch):
        mine = order[first : first + options.batch]
        tokens, lengths = padded([texts[at] for at in mine])
        device = torch.device(options.device)
        vectors = model(tokens.to(device), lengths=lengths.to(device)).float()
        for at, vector in zip(mine, F.normalize(vectors, dim=-1), strict=True):
            found[at] = vector
    return torch.stack(found)


def ranks_of(firsts: Tensor, seconds: Tensor, groups: Tensor) -> np.ndarray:
    """How many other texts are nearer to each first one than its counterpart. (N,)

    groups (N,): of the second texts; those that are the same have one number.
    """
    count = int(groups.max()) + 1
    ranks = []
    for rows, own in zip(torch.split(firsts, ROWS), torch.split(groups, ROWS), strict=True):
        each = torch.full((len(rows), count), -torch.inf, device=rows.device)
        each.scatter_reduce_(1, groups.expand(len(rows), -1), rows @ seconds.mT, "amax")
        ranks.append((each > each.gather(1, own[:, None]) + NEAR).sum(1))
    return torch.cat(ranks).cpu().numpy()


def figures_of(ranks: np.ndarray) -> Figures:
    ones = np.ones(len(ranks))

    def share(right: np.ndarray) -> Figure:
        return mean(right.astype(np.float64), ones)

    among = {f"among {most}": share(ranks < most) for most in AMONG}
    return {
        "found first": share(ranks == 0),
        **among,
        "mean reciprocal rank": mean(1 / (1 + ranks), ones),
    }


def found_of(options: argparse.Namespace) -> Iterator[Found]:
    """What is measured of one checkpoint."""
    model, tokenizer = load(options.checkpoint, options.device), find_tokenizer(options)
    pairs, where = pairs_of(options, tokenizer, model.config)
    firsts, seconds = ([pair[side] for pair in pairs] for side in (0, 1))
    same: dict[tuple[int, ...], int] = {}
    groups = torch.tensor([same.setdefault(tuple(text), len(same)) for text in seconds])
    near, far = (vectors_of(model, texts, options) for texts in (firsts, seconds))
    ranks = ranks_of(near, far, groups.to(near.device))
    yield Found(str(options.checkpoint), len(pairs), f"pairs of {where}", figures_of(ranks))


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How well trained models of sentence_embedding find texts.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    folders = "folders of runs or files; several are compared"
    add("--checkpoint", type=Path, nargs="+", default="out/sentence_embedding", help=folders)
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--data", nargs="+", help="files as in training, if not what the run held out")
    add("--context-length", type=int, default=256, help="most tokens")
    add("--batch", type=int, default=32, help="texts read together")
    add("--json", type=Path, help="a file for all figures")
    add("--device", default=device, help="cpu, cuda, ...")
    return checked(parser.parse_args(arguments), positive=("context_length", "batch"))


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    paths = options.checkpoint if isinstance(options.checkpoint, list) else [options.checkpoint]
    each = (argparse.Namespace(**{**vars(options), "checkpoint": path}) for path in paths)
    found = [one for asked in each for one in found_of(asked)]
    print("\n".join(lines_of(found, COMPARED)))
    if options.json:
        write_json(options.json, found)
    return 0


if __name__ == "__main__":
    leave(main())
