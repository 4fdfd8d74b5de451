# Made from specs/gemma3.yaml; make it again: tgen build specs/gemma3.yaml
"""Sample from a trained gemma3.

    python -m generated.gemma3.sample --checkpoint out/gemma3 --prompt Once
    python -m generated.gemma3.sample --checkpoint out/gemma3 --chat
One text is shown as it is made. Several prompts, of whatever lengths, and several samples of each
are decoded as one batch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from .chat import Message, read_template
from .checkpoint import check_kept, folder_of
from .data import Tokenizer, choose_tokenizer
from .detokenize import Detokenizer, pieces
from .generate import Choice, Session, stream
from .generation import read_generation
from .load import load
from .model import Model
from .process import HelpFormatter, check_memory, check_text, checked, command, leave

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which model makes texts, and how it comes to them."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/gemma3", help="a run's folder or one file")
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
    add(
        "--repetition-penalty",
        type=float,
        default=1.0,
        help="above 1: tokens that are there already are less likely",
    )
    add("--seed", type=int, default=1, help="of the draws")
    add("--stop", action="append", default=[], help="a text that ends what is made")
    add("--dtype", choices=tuple(DTYPES), default="float32", help="of weights and arithmetic")
    add("--compile", action="store_true", help="compile the step that makes a token")
    add("--device", default=device, help="cpu, cuda, ...")


def parsed(parser: argparse.ArgumentParser, arguments: list[str] | None) -> argparse.Namespace:
    """The options, if they make sense; generation_config.json says others by default."""
    options = parser.parse_args(arguments)
    parser.set_defaults(**read_generation(folder_of(options.checkpoint)))
    options = parser.parse_args(arguments)
    checked(options, positive=("tokens", "samples"))
    for text in options.stop:
        check_text("--stop", text)
    if "" in options.stop:
        raise ValueError("--stop is empty: every text has that in it")
    if options.repetition_penalty <= 0:
        raise ValueError(f"--repetition-penalty is {options.repetition_penalty}, not above 0")
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
        options.repetition_penalty,
        options.ends,
        options.barred,
    )


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Sample from a trained gemma3.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    add("--prompt", action="append", help="text to go on from; may be given several times")
    add("--prompts", type=Path, help="a file with a prompt in each line")
    add("--samples", type=int, default=1, help="of each prompt")
    add("--best", type=int, default=0, help="show only so many of them, the likeliest first")
    add("--chat", action="store_true", help="answer what is typed, line by line")
    add("--system", default="", help="with --chat: what the model is told first")
    add_options(parser)
    options = parsed(parser, arguments)
    if options.best > options.samples:
        raise ValueError(f"--best is {options.best}, and there are {options.samples} --samples")
    check_memory(100 * options.samples * (options.tokens or 1), "so many --samples and --tokens")
    if options.system and not options.chat:
        raise ValueError("--system is for --chat")
    if options.chat and (options.prompt or options.prompts or options.samples > 1):
        raise ValueError("--chat has no --prompt, --prompts or --samples")
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


def count(options: argparse.Namespace, longest: int) -> int:
    """How many tokens to make: generation_config.json may say how long a text is in all."""
    if options.tokens is not None:
        return int(options.tokens)
    if longest >= options.max_length:
        raise ValueError(
            f"the prompt has {longest} tokens, all that the max_length of {options.max_length} in "
            "generation_config.json allows; say with --tokens how many to make"
        )
    return int(options.max_length - longest)


def steps_of(
    options: argparse.Namespace,
    model: Model,
    prompts: list[list[int]],
    scores: list[list[float]],
) -> Iterator[list[int]]:
    """The tokens that each step adds to the prompts; their log probabilities, if asked for."""
    tokens = count(options, max(map(len, prompts)))
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
    ends = options.ends
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


def talk(options: argparse.Namespace, model: Model, tokenizer: Tokenizer) -> None:
    """Answers each line of stdin; all that was said before is kept as the model has read it."""
    template = read_template(folder_of(options.checkpoint))
    session = Session(model, 1, options.compile)
    generator = torch.Generator(options.device).manual_seed(options.seed)
    first = [Message("system", options.system)] if options.system else []
    messages, context = [*first], model.config.context_length
    choice = choice_of(options)
    choice = replace(choice, ends=choice.ends or template.ends(tokenizer.encode))
    for line in typed():
        if line.strip() == "/new":
            messages = [*first]
            continue
        messages.append(Message("user", line))
        tokens = tokenizer.encode(template.render(messages))
        check_tokens([tokens], model.config.vocab_size)
        if len(tokens) >= context:
            long = f"the chat would have {len(tokens)} tokens, and the model reads {context}"
            print(f"{long}: say less, or begin another with /new", file=sys.stderr)
            messages.pop()
            continue
        room = min(context - len(tokens), count(options, len(tokens)))
        answer = Detokenizer(tokenizer, [], options.stop, choice.ends)
        steps = stream(session, session.go_on(tokens, room - 1), room, choice, generator)
        said = ""
        for (piece,) in pieces(steps, [answer]):
            said += piece
            print(piece, end="", flush=True)
        print()
        messages.append(Message("assistant", said))


def typed() -> Iterator[str]:
    """The lines of stdin with something in them; a terminal is asked for each."""
    asked = sys.stdin.isatty()
    if asked:
        print("/new forgets what was said, Ctrl-D ends.")
    while True:
        if asked:
            print("> ", end="", flush=True)
        if not (line := sys.stdin.readline()):
            return
        if line.strip():
            yield line.rstrip("\n")


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device).to(DTYPES[options.dtype])
    tokenizer = find_tokenizer(options)
    if options.chat:
        talk(options, model, tokenizer)
        return 0
    prompts = encode_prompts(options, tokenizer, model.config.vocab_size)
    scores: list[list[float]] = []
    show(options, tokenizer, prompts, steps_of(options, model, prompts, scores), scores)
    return 0


if __name__ == "__main__":
    leave(main())
