# Made from specs/gemma3.yaml; make it again: tgen build specs/gemma3.yaml
"""Sample from a trained gemma3.

    python -m generated.gemma3.sample --checkpoint out/gemma3 --prompt Once

Several prompts, of whatever lengths, and several samples of each are decoded as one batch.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint import check_kept, check_kinds, load_weights, read_checkpoint
from .data import Tokenizer, choose_tokenizer
from .generation import read_generation
from .model import Config, Model
from .process import HelpFormatter, check_memory, checked, command, leave


def pick(
    logits: Tensor, temperature: float, top_k: int, top_p: float, generator: torch.Generator | None
) -> Tensor:
    """One token per row (B,) of the logits (B, V).

    Only the top_k likeliest tokens are drawn (0: all), and of them the fewest that hold a share
    top_p of the probability; temperature 0 takes the likeliest.
    """
    if temperature < 1e-30:  # by less, float32 does not divide
        return logits.argmax(-1)
    ordered, tokens = logits.float().sort(descending=True)
    probabilities = (ordered[:, : top_k or None] / temperature).softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    probabilities = probabilities.masked_fill((before >= top_p) & (before > 0), 0.0)
    drawn = torch.multinomial(probabilities, 1, generator=generator)
    return tokens.gather(1, drawn).squeeze(1)


class Picker:
    """Picks the next token of each row, and knows which rows have come to one of the `ends`.

    Tokens that a row has already are made less likely (CTRL, arXiv:1909.05858, section 4.1), the
    `barred` are never picked.
    """

    def __init__(
        self,
        rows: list[list[int]],
        model: Model,
        ends: Collection[int],
        barred: Collection[int],
        repetition_penalty: float,
    ) -> None:
        device, size = next(model.parameters()).device, model.config.vocab_size
        self.ends = torch.tensor([*ends], dtype=torch.int64, device=device)
        self.ended = torch.zeros(len(rows), dtype=torch.bool, device=device)
        self.seen = torch.zeros(len(rows), size, dtype=torch.bool, device=device)
        for seen, row in zip(self.seen, rows, strict=True):
            seen[row] = True
        self.barred = torch.zeros(size, dtype=torch.bool, device=device)
        self.barred[[token for token in barred if token < size]] = True
        self.penalty = repetition_penalty

    def pick(
        self,
        logits: Tensor,
        temperature: float,
        top_k: int,
        top_p: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        """One token per row (B,) of the logits (B, V)."""
        less = torch.where(logits < 0, logits * self.penalty, logits / self.penalty)
        logits = torch.where(self.seen, less, logits).masked_fill(self.barred, -torch.inf)
        return self.noted(pick(logits, temperature, top_k, top_p, generator))

    def noted(self, tokens: Tensor) -> Tensor:
        """The tokens (B,), each now its row's last."""
        self.seen.scatter_(1, tokens[:, None], True)
        self.ended |= torch.isin(tokens, self.ends)
        return tokens


@torch.inference_mode()
def generate(
    model: Model,
    prompts: list[list[int]],
    tokens: int,
    *,
    ends: Collection[int] = (),
    barred: Collection[int] = (),
    repetition_penalty: float = 1.0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Each prompt and `tokens` more, or fewer up to one of the `ends`, all as one batch.
    Where the model's context ends, its newer half is read again as the prompt of what follows.
    """
    rows, end = list(prompts), max(len(prompt) for prompt in prompts) + tokens
    device, keep = next(model.parameters()).device, model.config.context_length
    picker = Picker(prompts, model, ends, barred, repetition_penalty)
    while (length := max(len(row) for row in rows)) < end and not picker.ended.all():
        recent = [row[-keep:] for row in rows]
        longest = max(len(row) for row in recent)
        room = min(end - length, model.config.context_length - longest + 1)
        lengths = torch.tensor([len(row) for row in recent], device=device)
        padded = torch.tensor([row + [0] * (longest - len(row)) for row in recent], device=device)
        cache = model.new_cache(len(rows), longest + room - 1)
        logits = model.prefill(padded, cache, lengths)
        made = [picker.pick(logits, temperature, top_k, top_p, generator)]
        while len(made) < room and not picker.ended.all():
            logits = model.decode(made[-1], cache)
            made.append(picker.pick(logits, temperature, top_k, top_p, generator))
        new = torch.stack(made, dim=1).tolist()
        rows = [row + more for row, more in zip(rows, new, strict=True)]
        keep = max(1, model.config.context_length // 2)
    return [up_to(row, len(prompt), ends) for row, prompt in zip(rows, prompts, strict=True)]


def up_to(row: list[int], start: int, ends: Collection[int]) -> list[int]:
    """The row without what follows the first of the `ends` from a place on."""
    last = next((at for at in range(start, len(row)) if row[at] in ends), len(row))
    return row[: last + 1]


def load(checkpoint: Path, device: str) -> Model:
    """The model of a run's folder, its best weights if it has any, or of one file."""
    if checkpoint.is_dir():
        best = checkpoint / "best.safetensors"
        checkpoint = best if best.exists() else checkpoint / "checkpoint.safetensors"
    tensors, saved = read_checkpoint(checkpoint)
    check_kinds(saved["config"], asdict(Config()), checkpoint)
    config = Config(**saved["config"])
    if config.layers > len(tensors):
        raise ValueError(f"{checkpoint} has {len(tensors)} tensors, and not all of its layers")
    try:
        with torch.device("meta"):  # which takes no memory, whatever the sizes
            load_weights(Model(config), tensors, checkpoint)
    except Exception as error:
        raise ValueError(f"{checkpoint} is of another model: {error!s:.400}") from None
    try:
        model = Model(config).to(device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {device!r} can't be used: {error}") from None
    load_weights(model, tensors, checkpoint)
    return model.eval()


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.sample",
        usage="%(prog)s [options]",
        description="Sample from a trained gemma3.",
        formatter_class=HelpFormatter,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    add = parser.add_argument
    add("--checkpoint", type=Path, default="out/gemma3", help="a run's folder or one file")
    add("--tokenizer", default="", help="byte or a tokenizer.json, if not the one of the run")
    add("--prompt", action="append", help="text to go on from; may be given several times")
    add("--tokens", type=int, default=200, help="how many to make")
    add("--samples", type=int, default=1, help="of each prompt")
    add("--temperature", type=float, default=0.8, help="0: always the likeliest token")
    add("--top-k", type=int, default=0, help="draw from the k likeliest tokens only; 0: from all")
    add("--top-p", type=float, default=1.0, help="draw from the likeliest with this share only")
    add(
        "--repetition-penalty",
        type=float,
        default=1.0,
        help="above 1: tokens that are there already are less likely",
    )
    add("--seed", type=int, default=1, help="of the draws")
    add("--device", default=device, help="cpu, cuda, ...")
    options = parser.parse_args(arguments)
    parser.set_defaults(**read_generation(folder_of(options)))
    options = parser.parse_args(arguments)
    checked(options, positive=("tokens", "samples"))
    check_memory(100 * options.samples * (options.tokens or 1), "so many --samples and --tokens")
    if options.repetition_penalty <= 0:
        raise ValueError(f"--repetition-penalty is {options.repetition_penalty}, not above 0")
    if not 0 < options.top_p <= 1:
        raise ValueError(f"--top-p is {options.top_p}, not in (0, 1]")
    return options


def folder_of(options: argparse.Namespace) -> Path:
    """Where the checkpoint lies, and what belongs to it."""
    path: Path = options.checkpoint
    return path if path.is_dir() else path.parent


def find_tokenizer(options: argparse.Namespace) -> Tokenizer:
    if options.tokenizer:
        return choose_tokenizer(options.tokenizer)
    path = folder_of(options) / "tokenizer.json"
    if not path.exists():
        raise ValueError(f"there is no {path}; say with --tokenizer how the data were tokenized")
    check_kept(path, "say with --tokenizer that another is to be used")
    return choose_tokenizer(str(path))


def encode_prompts(
    options: argparse.Namespace, tokenizer: Tokenizer, vocab_size: int
) -> list[list[int]]:
    texts = options.prompt or ["\n"]
    prompts = [tokenizer.encode(text, special=True) for text in texts]
    if not all(prompts):
        raise ValueError("an empty prompt gives the model nothing to go on from")
    if (largest := max(map(max, prompts))) >= vocab_size:
        raise ValueError(f"the tokenizer makes token {largest}, the model knows {vocab_size}")
    return [prompt for prompt in prompts for _ in range(options.samples)]


def count(options: argparse.Namespace, prompts: list[list[int]]) -> int:
    """How many tokens to make: generation_config.json may say how long a text is in all."""
    if options.tokens is not None:
        return int(options.tokens)
    length, longest = options.max_length, max(len(prompt) for prompt in prompts)
    if longest >= length:
        raise ValueError(
            f"the prompt has {longest} tokens, all that the max_length of {length} in "
            "generation_config.json allows; say with --tokens how many to make"
        )
    return int(length - longest)


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device)
    tokenizer = find_tokenizer(options)
    vocab_size = model.config.vocab_size
    prompts = encode_prompts(options, tokenizer, vocab_size)
    rows = generate(
        model,
        prompts,
        count(options, prompts),
        ends=options.ends,
        barred=options.barred,
        repetition_penalty=options.repetition_penalty,
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        generator=torch.Generator(options.device).manual_seed(options.seed),
    )
    texts = [tokenizer.decode(row) for row in rows]
    print(f"\n{'-' * 80}\n".join(texts))
    return 0


if __name__ == "__main__":
    leave(main())
