# Made from specs/gru_char.yaml; make it again: tgen build specs/gru_char.yaml
"""Sample from a trained gru_char.

    python -m generated.gru_char.sample --checkpoint out/gru_char --prompt Once
One text is shown as it is made. Several prompts, of whatever lengths, and several samples of each
are decoded as one batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch

from .checkpoint import check_kept, folder_of
from .data import Tokenizer, choose_tokenizer
from .detokenize import Detokenizer, pieces
from .generate import Choice, Session, stream
from .load import load
from .model import Model
from .process import HelpFormatter, check_memory, check_text, checked, command, leave

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which model makes texts, and how it comes to them."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/gru_char", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--tokens", type=int, default=200, help="how many to make")
    add("--temperature", type=float, default=0.8, help="0: always the likeliest token")
    add("--top-k", type=int, default=0, help="draw from the k likeliest tokens only; 0: from all")
    add("--top-p", type=float, default=1.0, help="draw from the likeliest with this share only")
    add(
        "--min-p",
        type=float,
        default=0.0,
        help="draw none less likely than this share of the likeliest",
    )
    add("--seed", type=int, default=1, help="of the draws")
    add("--stop", action="append", default=[], help="a text that ends what is made")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="of weights and arithmetic")
    add("--compile", action="store_true", help="compile the step that makes a token")
    add("--device", default=device, help="cpu, cuda, ...")


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The options, if they make sense."""
    options = parser.parse_args(arguments)
    checked(options, positive=("tokens", "samples"))
    for text in options.stop:
        check_text("--stop", text)
    if "" in options.stop:
        raise ValueError("--stop is empty: every text has that in it")
    if not 0 < options.top_p <= 1:
        raise ValueError(f"--top-p is {options.top_p}, not in (0, 1]")
    if options.min_p > 1:
        raise ValueError(f"--min-p is {options.min_p}, not in [0, 1]")
    return options


def choice_of(options: argparse.Namespace) -> Choice:
    return Choice(
        options.temperature,
        options.top_k,
        options.top_p,
        options.min_p,
    )


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Sample from a trained gru_char.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--prompt", action="append", help="text to go on from; may be given several times")
    add("--prompts", type=Path, help="a file with a prompt in each line")
    add("--samples", type=int, default=1, help="of each prompt")
    add("--best", type=int, default=0, help="show only so many of them, the likeliest first")
    add_options(parser)
    options = parsed(parser, arguments)
    if options.best > options.samples:
        raise ValueError(f"--best is {options.best}, and there are {options.samples} --samples")
    check_memory(100 * options.samples * options.tokens, "so many --samples and --tokens")
    return options


def find_tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.tokenizer:
        return choose_tokenizer(options.tokenizer)
    path = folder_of(options.checkpoint) / "tokenizer.json"
    if not path.exists():
        raise ValueError(f"there is no {path}; say with --tokenizer how the data were tokenized")
    check_kept(path, "say with --tokenizer that another is to be used")
    return choose_tokenizer(str(path))


def read_prompts(options: argparse.Namespace) -> list[str]:
    texts: list[str] = options.prompt or []
    if options.prompts:
        try:
            texts += options.prompts.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{options.prompts} can't be read: {error}") from None
    return texts or ["\n"]


def encode_prompts(
    options: argparse.Namespace, tokenizer: Tokenizer, vocab_size: int
) -> list[list[int]]:
    prompts = [tokenizer.encode(text, special=True) for text in read_prompts(options)]
    if not all(prompts):
        raise ValueError("an empty prompt gives the model nothing to go on from")
    check_tokens(prompts, vocab_size)
    return [prompt for prompt in prompts for _ in range(options.samples)]


def check_tokens(prompts: list[list[int]], vocab_size: int) -> None:
    if (largest := max(map(max, prompts))) >= vocab_size:
        raise ValueError(f"the tokenizer makes token {largest}, the model knows {vocab_size}")


def steps_of(
    options: argparse.Namespace,
    model: Model,
    prompts: list[list[int]],
    scores: list[list[float]],
) -> Iterator[list[int]]:
    """The tokens that each step adds to the prompts; their log probabilities, if asked for."""
    tokens = options.tokens
    session = Session(model, len(prompts), options.compile)
    generator = torch.Generator(options.device).manual_seed(options.seed)
    logits = session.read(prompts, tokens - 1)
    told = scores if options.best else None
    return stream(session, logits, tokens, choice_of(options), generator, told)


def show(
    options: argparse.Namespace,
    tokenizer: Tokenizer,
    prompts: list[list[int]],
    steps: Iterator[list[int]],
    scores: list[list[float]],
) -> None:
    """Prints prompts and what becomes of them: of one as it is made, or the best by scores."""
    ends = ()
    texts = [Detokenizer(tokenizer, prompt, options.stop, ends, whole=True) for prompt in prompts]
    whole = [tokenizer.decode(prompt) for prompt in prompts]
    alone = len(prompts) == 1 and not options.best
    if alone:
        print(whole[0], end="", flush=True)
    for step in pieces(steps, texts):
        whole = [text + more for text, more in zip(whole, step, strict=True)]
        if alone:
            print(step[0], end="", flush=True)
    if options.best:
        means = [mean_of(scores, row, text.made) for row, text in enumerate(texts)]
        whole = best_of(whole, means, options.samples, options.best)
    print("" if alone else f"\n{'-' * 80}\n".join(whole))


def mean_of(scores: list[list[float]], row: int, count: int) -> float:
    """The log probability of a row's tokens, per token."""
    return sum(step[row] for step in scores[:count]) / count


def best_of(texts: list[str], means: list[float], samples: int, best: int) -> list[str]:
    """Of the samples of each prompt the likeliest, with what their tokens score on average."""
    found = []
    for first in range(0, len(texts), samples):
        rows = range(first, first + samples)
        likeliest = sorted(rows, key=lambda row: -means[row])[:best]
        found += [f"{means[row]:8.4f}  {texts[row]}" for row in likeliest]
    return found


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device).to(DTYPES[options.dtype])
    tokenizer = find_tokenizer(options)
    prompts = encode_prompts(options, tokenizer, model.config.vocab_size)
    scores: list[list[float]] = []
    show(options, tokenizer, prompts, steps_of(options, model, prompts, scores), scores)
    return 0


if __name__ == "__main__":
    leave(main())
