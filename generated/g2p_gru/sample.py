# Made from specs/g2p_gru.yaml; make it again: tgen build specs/g2p_gru.yaml
"""Generate targets with a trained g2p_gru.

    python -m generated.g2p_gru.sample --checkpoint out/g2p_gru --source Once --beams 4

Several sources, of whatever lengths, and several samples of each are decoded as one batch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .checkpoint import check_kept, folder_of
from .data import Tokenizer, choose_tokenizer, separator_id
from .generate import Answer, generate, search
from .load import load
from .model import Config, Model
from .process import HelpFormatter, check_memory, checked, command, leave


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which model answers, and how it comes to its answers."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/g2p_gru", help="a run's folder or one file")
    add(
        "--source-tokenizer",
        default="",
        help="of sources: byte or a tokenizer.json, if not the one of the run",
    )
    add(
        "--tokenizer",
        default="",
        help="of targets: byte or a tokenizer.json, if not the one of the run",
    )
    add("--separator", default="<s>", help="the token before a target and at its end")
    add("--beams", type=int, default=1, help="beginnings that a search keeps; 1: no search")
    add(
        "--length-penalty",
        type=float,
        default=1.0,
        help="an answer's log probability is over length**this",
    )
    add("--tokens", type=int, default=200, help="how many to make at most")
    add("--temperature", type=float, default=0.0, help="0: always the likeliest token")
    add("--top-k", type=int, default=0, help="draw from the k likeliest tokens only; 0: from all")
    add("--top-p", type=float, default=1.0, help="draw from the likeliest with this share only")
    add(
        "--min-p",
        type=float,
        default=0.0,
        help="draw none less likely than this share of the likeliest",
    )
    add("--seed", type=int, default=1, help="of the draws")
    add("--device", default=device, help="cpu, cuda, ...")


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The options, if they make sense."""
    options = parser.parse_args(arguments)
    positive = ("tokens", "beams", "samples", "batch")
    checked(options, positive=positive, signed=("length_penalty",))
    if not 0 < options.top_p <= 1:
        raise ValueError(f"--top-p is {options.top_p}, not in (0, 1]")
    if options.min_p > 1:
        raise ValueError(f"--min-p is {options.min_p}, not in [0, 1]")
    if options.beams > 1 and options.temperature > 0:
        raise ValueError(
            f"--beams {options.beams} searches for the likeliest, --temperature "
            f"{options.temperature} draws: one of them has to go"
        )
    return options


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Generate targets with a trained g2p_gru.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--source", action="append", required=True, help="text; may be given several times")
    add("--samples", type=int, default=1, help="drawn of each source")
    add("--best", type=int, default=1, help="of a beam search, printed with their scores")
    add_options(parser)
    options = parsed(parser, arguments)
    check_memory(100 * options.samples, "so many --samples")
    if options.samples > 1 and options.beams > 1:
        raise ValueError("a search has no --samples; say with --best how many answers to print")
    if not 1 <= options.best <= options.beams:
        raise ValueError(f"--best is {options.best}, not from 1 to the --beams, {options.beams}")
    return options


def find_tokenizer(options: argparse.Namespace, name: str = "tokenizer") -> Tokenizer:
    """That of targets or, as source_tokenizer, of sources: the one that is given, or the run's."""
    if given := getattr(options, name):
        return choose_tokenizer(given)
    path = folder_of(options.checkpoint) / f"{name}.json"
    if not path.exists():
        flag = name.replace("_", "-")
        raise ValueError(f"there is no {path}; say with --{flag} how the data were tokenized")
    check_kept(path, f"say with --{name.replace('_', '-')} that another is to be used")
    return choose_tokenizer(str(path))


def find_tokenizers(options: argparse.Namespace) -> tuple[Tokenizer, Tokenizer]:
    """That of sources and that of targets."""
    return find_tokenizer(options, "source_tokenizer"), find_tokenizer(options)


def encode_sources(texts: list[str], tokenizer: Tokenizer, config: Config) -> list[list[int]]:
    sources = [tokenizer.encode(text, special=True) for text in texts]
    if not all(sources):
        raise ValueError("an empty source gives the model nothing to go on from")
    known = config.encoder_vocab_size
    if (largest := max(map(max, sources))) >= known:
        raise ValueError(f"the tokenizer makes token {largest}, the model knows {known}")
    return sources


def answers(
    options: argparse.Namespace,
    model: Model,
    tokenizer: Tokenizer,
    sources: list[list[int]],
    best: int = 1,
) -> list[str]:
    """A text for each source; of several that are its `best`, a line with a score for each."""
    separator = separator_id(options.separator, tokenizer)
    if separator >= model.config.vocab_size:
        raise ValueError(f"--separator {separator} is beyond the {model.config.vocab_size} tokens")
    tokens = min(options.tokens, model.config.context_length)
    if options.beams == 1:
        rows = generate(
            model,
            sources,
            separator,
            tokens,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            min_p=options.min_p,
            generator=torch.Generator(options.device).manual_seed(options.seed),
        )
        return [tokenizer.decode(row) for row in rows]
    found = searched(options, model, sources, separator, tokens, best)
    if best == 1:
        return ["".join(tokenizer.decode(row) for _, row in only) for only in found]
    return [
        "\n".join(f"{score:9.4f}  {tokenizer.decode(row)}" for score, row in several)
        for several in found
    ]


def searched(
    options: argparse.Namespace,
    model: Model,
    sources: list[list[int]],
    separator: int,
    tokens: int,
    best: int,
) -> list[list[Answer]]:
    """The best answers to each source, with their scores."""
    if options.beams > model.config.vocab_size:
        raise ValueError(
            f"--beams is {options.beams}, more than the vocabulary's {model.config.vocab_size}"
        )
    return search(
        model,
        sources,
        separator,
        tokens,
        beams=options.beams,
        best=best,
        length_penalty=options.length_penalty,
    )


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device)
    source_tokenizer, tokenizer = find_tokenizers(options)
    sources = encode_sources(options.source, source_tokenizer, model.config)
    drawn = [source for source in sources for _ in range(options.samples)]
    texts = answers(options, model, tokenizer, drawn, options.best)
    print(f"\n{'-' * 80}\n".join(texts))
    return 0


if __name__ == "__main__":
    leave(main())
