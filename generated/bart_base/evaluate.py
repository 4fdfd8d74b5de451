# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""How good the answers of a trained bart_base are.

    python -m generated.bart_base.evaluate --checkpoint out/bart_base --beams 4
    python -m generated.bart_base.evaluate --source new.en --target new.de
    python -m generated.bart_base.evaluate --picture read.png --text Once

The figures are those of sacrebleu and jiwer; where sacrebleu is installed, it signs its own.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import Tensor

from .checkpoint import check_data, check_kinds, folder_of, read_metadata
from .data import Tokenizer, encode_pairs, length, padded, separator_id
from .load import load
from .metrics import bleu, chrf, error_rate
from .model import CrossAttention, Model
from .options import Options
from .pairs import Texts, digest_of_pairs, read_either, read_texts
from .process import HelpFormatter, command, leave
from .sample import add_options, answers, encode_sources, find_tokenizers, parsed


@torch.inference_mode()
def alignment(model: Model, source: Tensor, tokens: Tensor) -> Tensor:
    """How much each token (T,) of one target reads of each of its source (S,). (T, S)

    The mean of the heads of one cross-attention: the last but one, which shows best what belongs
    together (arXiv:1909.02074, section 3.2).
    """
    attentions = [m for m in model.modules() if isinstance(m, CrossAttention)]
    attention, given = attentions[max(0, len(attentions) - 2)], []
    hook = attention.register_forward_pre_hook(lambda module, inputs: given.append(inputs))
    model(source[None], tokens[None])
    hook.remove()
    x, (k, _), _ = given[0]
    q = attention.q_proj(x).view(1, len(tokens), attention.heads, attention.head_dim)
    scores = attention.head_dim**-0.5 * (
        q.transpose(1, 2).float() @ k.float().transpose(2, 3)
    )  # (1, H, T, S)
    return scores.softmax(-1)[0].mean(0)


def held_out(checkpoint: Path) -> Texts:
    """The pairs that a run has been validated with."""
    folder = folder_of(checkpoint)
    path = folder / "checkpoint.safetensors"
    said = read_metadata(path)
    saved = said.get("options")
    if not isinstance(saved, dict):
        raise ValueError(f"{path} does not say on which data it was trained; give some with --data")
    check_kinds(asdict(Options()) | saved, asdict(Options()), path)
    train, validation = read_texts(Options(**saved))
    check_data(said, {"pairs": digest_of_pairs(train, validation)}, path, "give some with --data")
    return validation


@torch.inference_mode()
def answer_pairs(
    options: argparse.Namespace,
    model: Model,
    tokenizers: tuple[Tokenizer, Tokenizer],
    texts: Texts,
) -> tuple[float, list[str]]:
    """The mean loss over the tokens of the targets, and an answer to each source."""
    _, tokenizer = tokenizers
    separator, config = separator_id(options.separator, tokenizer), model.config
    context = config.context_length
    pairs = list(encode_pairs(texts, tokenizer, separator))
    order = sorted(range(len(pairs)), key=lambda index: length(pairs[index]))
    made, total, count = [""] * len(pairs), 0.0, 0
    for first in tracked(range(0, len(order), options.batch)):
        mine = order[first : first + options.batch]
        rows = [pairs[index] for index in mine]
        batch = padded(rows, context, separator)
        source, lengths, tokens, wanted = batch.to(torch.device(options.device))
        loss = model(source, tokens, wanted, source_lengths=lengths, reduction="sum")
        total += loss.item()
        count += batch.target_count
        cut = [source[:context] for source, _ in rows]
        for index, text in zip(mine, answers(options, model, tokenizer, cut), strict=True):
            made[index] = text
    return total / count, made


def tracked(steps: range) -> Iterable[int]:
    """With a bar on a terminal where rich is installed."""
    try:
        from rich.progress import track
    except ImportError:
        return steps
    return track(steps, "answering", disable=not sys.stdout.isatty(), transient=True)


def figures(loss: float, answers: list[str], targets: list[str]) -> dict[str, str]:
    """How near answers come to their targets; words are what spaces part, as phonemes may be."""
    alike = sum(a.strip() == t.strip() for a, t in zip(answers, targets, strict=True))
    words = [[text.split() for text in texts] for texts in (answers, targets)]
    characters = [[[*text.strip()] for text in texts] for texts in (answers, targets)]
    return {
        "loss per token": f"{loss:8.4f}",
        "perplexity": f"{math.exp(min(loss, 99)):8.3f}",
        "exact match": f"{100 * alike / len(answers):7.2f} %",
        "word error rate": f"{error_rate(*words):7.2f} %",
        "character error rate": f"{error_rate(*characters):7.2f} %",
        "BLEU (13a, exp)": f"{bleu(answers, targets):7.2f}",
        "chrF2": f"{chrf(answers, targets):7.2f}",
    }


def signed(answers: list[str], targets: list[str]) -> dict[str, str]:
    """What sacrebleu says, by its signatures, where it is installed."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        return {}
    found = {}
    for metric in (BLEU(), CHRF()):
        score = metric.corpus_score(answers, [targets])
        found[str(metric.get_signature())] = f"{score.name} {score.score:.2f}"
    return found


def write_answers(path: Path, pairs: list[tuple[str, str]], answers: list[str]) -> None:
    """Lines of a source, its target and the answer."""
    lines = []
    for row in zip(pairs, answers, strict=True):
        (source, target), answer = row
        lines.append("\t".join(" ".join(text.split()) for text in (source, target, answer)))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def evaluate(
    options: argparse.Namespace, model: Model, tokenizers: tuple[Tokenizer, Tokenizer]
) -> None:
    """Prints a table of figures."""
    files = options.data, options.source, options.target
    texts = read_either(*files) if any(files) else held_out(options.checkpoint)
    texts = replace(texts, pairs=texts.pairs[: options.limit or None])
    loss, made = answer_pairs(options, model, tokenizers, texts)
    targets = [target for _, target in texts.pairs]
    if options.out:
        write_answers(options.out, texts.pairs, made)
    beams = f", {options.beams} beams" if options.beams > 1 else ""
    print(f"{len(made):,} pairs of {texts.named}{beams}")
    for name, figure in figures(loss, made, targets).items():
        print(f"  {name:22}{figure}")
    for signature, figure in signed(made, targets).items():
        print(f"{figure}  {signature}")


def draw(
    options: argparse.Namespace, model: Model, tokenizers: tuple[Tokenizer, Tokenizer]
) -> None:
    """What each token of an answer, or of the target that is given, reads of the source."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ValueError("--picture needs matplotlib: pip install matplotlib") from None
    source_tokenizer, tokenizer = tokenizers
    (source,) = encode_sources([options.text], source_tokenizer, model.config)
    text = options.answer or answers(options, model, tokenizer, [source])[0]
    target, separator = tokenizer.encode(text), separator_id(options.separator, tokenizer)
    read = torch.tensor([separator, *target], device=options.device)
    weights = alignment(model, torch.tensor(source, device=options.device), read).float().cpu()
    across, down = (
        [repr(side.decode([token]))[1:-1].replace(" ", "_") for token in tokens]
        for side, tokens in zip(tokenizers, (source, target), strict=True)
    )
    down.append("(end)")
    size = 2 + 0.22 * len(across), 2 + 0.22 * len(down)
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.imshow(weights.numpy(), cmap="Greys", vmin=0)
    axes.set_xticks(range(len(across)), across, rotation=90, parse_math=False)
    axes.set_yticks(range(len(down)), down, parse_math=False)
    axes.set(xlabel="source", ylabel="target")
    figure.savefig(options.picture, dpi=150)
    print(f"{options.picture}: {text}")


def parse_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {__package__}.evaluate",
        usage="%(prog)s [options]",
        description="How good the answers of a trained bart_base are.",
        formatter_class=HelpFormatter,
    )
    add = parser.add_argument
    what = "files of pairs as in training, if not what the run held out"
    add("--data", nargs="+", default=(), help=what)
    what = "in place of --data: files with a source on each line"
    add("--source", nargs="+", default=(), help=what)
    add("--target", nargs="+", default=(), help="and those with their targets")
    add("--limit", type=int, default=0, help="pairs, from the first on; 0: all")
    add("--batch", type=int, default=32, help="sources answered together")
    add("--out", type=Path, help="a file for lines of source, target and answer")
    add("--picture", type=Path, help="a file for a picture of what one answer reads")
    add("--text", default="", help="the source of the picture")
    add("--answer", default="", help="a target of the picture, in place of the model's answer")
    add_options(parser)
    options = parsed(parser, arguments)
    if bool(options.picture) != bool(options.text):
        raise ValueError("--picture goes with --text, of which it is")
    return options


@command
def main(arguments: list[str] | None = None) -> int:
    options = parse_options(arguments)
    model = load(options.checkpoint, options.device)
    tokenizers = find_tokenizers(options)
    if options.picture:
        draw(options, model, tokenizers)
    else:
        evaluate(options, model, tokenizers)
    return 0


if __name__ == "__main__":
    leave(main())
