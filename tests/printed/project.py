"""A fresh project with the files that pages speak of, under the names that they have there."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tokenizers
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.importers.checkpoints import save
from tests.printed.shell import write_programs
from tests.training.conftest import LINE, TEXT
from tests.training.torchvision_reference import declared

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.stem for path in (ROOT / "specs").glob("*.yaml"))
CLASSES = ("bag", "coat", "shoe")
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
CHECKPOINTS = {
    "Llama-3.2-1B": "LlamaConfig",
    "Qwen3-0.6B": "Qwen3Config",
    "gpt2": "GPT2Config",
}


def write_project(folder: Path, names: Iterable[str] = NAMES) -> Path:
    """Specs and packages that come with tgen, and data of every kind, a few rows of each."""
    folder.mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    write_programs(folder / "bin")
    (folder / "specs").mkdir()
    for name in names:
        shutil.copy(ROOT / f"specs/{name}.yaml", folder / "specs")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "generated" / name, folder / "generated" / name, ignore=ignored)
    shutil.copy(ROOT / "generated/__init__.py", folder / "generated")
    write_texts(folder)
    write_pictures(folder)
    return folder


def named_in(text: str) -> list[str]:
    """The specs of ours that a page's commands ask for, with those that they extend."""
    named = [name for name in NAMES if re.search(rf"(specs/|generated[./]){name}\b", text)]
    specs = {name: (ROOT / f"specs/{name}.yaml").read_text() for name in named}
    extended = [name for name in NAMES if any(f"extends: {name}." in x for x in specs.values())]
    return sorted({*named, *extended, "gpt_char"})


def write_texts(folder: Path) -> None:
    for name in ("corpus.txt", "other.txt"):
        (folder / name).write_text("ROMEO: Once upon a time\n" + TEXT * 3)
    (folder / "texts").mkdir()
    (folder / "texts/a.txt").write_text(TEXT)
    stories = "".join(json.dumps({"story": TEXT[n : n + 500]}) + "\n" for n in range(0, 5000, 500))
    (folder / "stories.jsonl.gz").write_bytes(gzip.compress(stories.encode()))
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    letters = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    trained = tokenizers.trainers.BpeTrainer(
        vocab_size=300, initial_alphabet=letters, special_tokens=["<|endoftext|>", "[MASK]"]
    )
    tokenizer.train_from_iterator([TEXT], trained)
    tokenizer.save(str(folder / "tokenizer.json"))
    words = ["Once upon a time", *(f"{n} green bottles" for n in range(60))]
    pairs = [f"{word}\t{word[::-1]}\n" for word in words]
    for name in ("pairs", "other_pairs"):
        (folder / f"{name}.tsv").write_text("".join(pairs))
    (folder / "new.en").write_text("".join(f"{word}\n" for word in words[:4]))
    (folder / "new.de").write_text("".join(f"{word[::-1]}\n" for word in words[:4]))
    classes = [f"{LINE.format(n, n - 1).strip()}\t{('odd', 'even')[n % 2]}\n" for n in range(60)]
    for name in ("texts.tsv", "others.tsv"):
        (folder / name).write_text("".join(classes))
    (folder / "texts.txt").write_text("\n".join(words))
    (folder / "masked.txt").write_text("Once [MASK] a time\n9 green [MASK]s [MASK]\n")
    questions = [
        {"context": f"{n} green", "choices": ["bottles", "wall"], "answer": n % 2} for n in range(4)
    ]
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in questions))
    write_chats(folder)
    rows = [f"{n},{2 * n}\n" for n in range(1, 41)]
    for name in ("rows", "others"):
        (folder / f"{name}.csv").write_text("x,y\n" + "".join(rows))


def write_chats(folder: Path) -> None:
    """Chats and pairs of answers, and the template of a chat beside the tokenizer."""
    asked = [f"{n}+{n}?" for n in range(1, 41)]  # short, for models at toy size
    chats = [
        {
            "messages": [
                {"role": "user", "content": text},
                {"role": "assistant", "content": f"{2 * n}"},
            ]
        }
        for n, text in enumerate(asked, 1)
    ]
    pairs = [
        {"prompt": text, "chosen": f"{2 * n}", "rejected": "no"} for n, text in enumerate(asked, 1)
    ]
    for name, rows in (("chats", chats), ("more_chats", chats), ("pairs", pairs)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)


def write_pictures(folder: Path) -> None:
    generator = np.random.default_rng(0)

    def picture(path: Path, side: int = 40, times: int = 1) -> None:
        """Two pixels wider than high; both are multiplied by `times`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = generator.integers(0, 256, (side // 9 + 1, side // 9 + 2, 3), dtype=np.uint8)
        pixels = coarse.repeat(9, axis=0).repeat(9, axis=1)[:side, : side + 2]
        pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)
        Image.fromarray(pixels).save(path)

    for index in range(24):
        picture(folder / f"images/{CLASSES[index % 3]}/{index}.png", side=28)
        for name in ("pictures", "horses", "zebras", "edges", "photographs"):
            large = name == "pictures" and index == 0  # enough for every model
            picture(folder / f"{name}/{index}.png", side=270 if large else 90)
        picture(folder / f"shapes/images/{index}.png", side=90)
        mask = generator.integers(0, 2, (90, 92), dtype=np.uint8) * 255
        (folder / "shapes/masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(folder / f"shapes/masks/{index}.png")
        for name in (
            "before",
            "after",
            "both/source",
            "both/target",
            "pairs/source",
            "pairs/target",
        ):
            picture(folder / f"{name}/{index}.png", side=270)
    for name in ("picture.jpg", "picture.png", "small.png", "more/a.png", "small/a.png"):
        picture(folder / name)
    picture(folder / "originals/a.png", times=3)
    images = generator.integers(0, 256, (60, 28, 28), dtype=np.uint8)
    labels = np.arange(60, dtype=np.uint8) % 10
    np.savez(folder / "digits.npz", images=images, labels=labels)
    colours = np.repeat(images[..., None], 3, axis=-1)
    np.savez(folder / "photographs.npz", images=colours, labels=labels)
    np.savez(folder / "shapes.npz", images=colours, masks=(images > 127).astype(np.uint8))
    for name in ("mnist", "fashion-mnist"):
        write_idx(folder / name, images, labels)


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    folder.mkdir()
    for split in ("train", "t10k"):
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
            header = bytes([0, 0, 8, array.ndim]) + sizes
            (folder / f"{split}-{name}-ubyte").write_bytes(header + array.tobytes())


def write_checkpoints(folder: Path) -> None:
    """Small random models as the libraries save theirs; those of pictures if these are there."""
    for name, config in CHECKPOINTS.items():
        save(folder / "checkpoints" / name, config, vocab_size=400)
        shutil.copy(folder / "tokenizer.json", folder / "checkpoints" / name)
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        return
    declared()
    import timm
    from torchvision.models import resnet50

    save_file(resnet50().state_dict(), folder / "resnet50.safetensors")
    torch.save(resnet50().state_dict(), folder / "resnet50.pth")
    save_file(resnet50(num_classes=3).state_dict(), folder / "flowers.safetensors")
    (folder / "flowers.txt").write_text("\n".join(CLASSES))
    torch.save(timm.create_model("resnet50d").state_dict(), folder / "model.pth")


def write_chat_templates(folder: Path) -> None:
    """Says beside each checkpoint how a chat becomes a text."""
    for checkpoint in (*folder.glob("out/*/"), *folder.glob("weights/*/")):
        (checkpoint / "chat_template.jinja").write_text(CHAT_TEMPLATE)
