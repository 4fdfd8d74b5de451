"""A little data for any package, and the arguments that name them, whatever its task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import tokenizers
from PIL import Image

LINES = [f"{n} green bottles hang on wall {n * n} of the house, said Ann" for n in range(60)]
SPECIAL = ["[UNK]", "<s>", "</s>", "<pad>", "[MASK]", "[CLS]", "[SEP]"]


def words() -> str:
    """The path of a tokenizer.json that was made for the lines."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=300, special_tokens=SPECIAL)
    made.train_from_iterator(LINES, trainer)
    made.save("words.json")
    return "words.json"


def chats(task: str) -> str:
    """The path of chats, or of pairs of answers, and the template beside the tokenizer."""
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    Path("chat_template.jinja").write_text(template)
    names = ("chosen", "rejected") if task == "preference" else ("response",)
    rows = [{"prompt": line[:9], **dict.fromkeys(names, line[-9:])} for line in LINES]
    Path("chats.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return "chats.jsonl"


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def pictures(folder: Path, size: int) -> None:
    folder.mkdir(parents=True)
    for number, one in enumerate(pixels(20, size, size, 3)):
        Image.fromarray(one).save(folder / f"{number}.png")


def arguments_of(task: str, config: Any, data: ModuleType) -> Iterator[str]:
    """`--data` and what else says where they are, once they are written to the current folder."""
    if task in ("causal-lm", "masked-lm"):
        Path("corpus.txt").write_text("\n".join(LINES * 4))
        yield from ("--data", "corpus.txt")
    elif task in ("chat", "preference"):
        yield from ("--data", chats(task))
    elif task in ("seq2seq-lm", "embedding", "sequence-classification"):
        classed = task == "sequence-classification"
        rows = (f"{line}\t{n % 2 if classed else line[:9]}\n" for n, line in enumerate(LINES))
        Path("rows.tsv").write_text("".join(rows))
        yield from ("--data", "rows.tsv")
    elif task in ("regression", "classification"):
        names = [*data.INPUTS, data.TARGET]
        table = [[str(n * k % 7) for k in range(1, len(names) + 1)] for n in range(30)]
        Path("rows.csv").write_text("\n".join(map(",".join, [names, *table])))
        yield from ("--data", "rows.csv")
    elif task in ("super-resolution", "image-to-image", "image-translation"):
        size, sides = 4 * config.image_size, ("source", "target")
        apart = task == "image-translation" and "target" in data.Options.__annotations__
        for side in sides if apart else [""]:
            pictures(Path("pictures") / side, size)
        yield from ("--data", "pictures")
    else:
        size, channels = config.image_size, config.channels
        images = pixels(40, size, size, channels)
        masks = images[..., 0] % max(2, getattr(config, "classes", 2))
        np.savez("images.npz", images=images, labels=np.arange(40) % 4, masks=masks)
        yield from ("--data", "images.npz")
