"""A small trained model that is served, and what it says alone."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from tests.packages import import_package
from tests.projects import environment
from tests.use.small import LANGUAGE_MODEL

TEXT = "The quick brown fox jumps over the lazy dog. Who jumps over it? 12 foxes, é.\n" * 60
TEMPLATE = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def write_run(folder: Path) -> Alone:
    """A project in a folder with a run of some steps, and what its model says alone."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trained = trainers.BpeTrainer(
        vocab_size=300,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trained)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "corpus.txt").write_text(TEXT)
    model = {**LANGUAGE_MODEL["model"], "context_length": 256}
    spec = {"name": "small", **LANGUAGE_MODEL, "model": model}
    train, sample, generate = import_package(folder, spec, "train", "sample", "generate")
    given = ["--data", str(folder / "corpus.txt"), "--tokenizer", str(folder / "tokenizer.json")]
    given += ["--out", str(folder / "run"), "--steps", "60", "--lr", "0.01"]
    given += ["--context-length", "64", "--batch", "4"]
    given += ["--accumulation", "1", "--warmup", "10", "--eval-every", "60"]
    assert train.main(given) == 0
    (folder / "run/chat_template.jinja").write_text(TEMPLATE)
    (folder / "run/tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    return Alone(folder, sample, generate)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a server of the run in a folder, and its process."""
    command = [sys.executable, "-m", "generated.small.serve", "--checkpoint", "run", "--port", "0"]
    env = {**environment(), "PYTHONPATH": str(folder)}
    with subprocess.Popen(
        [*command, "--temperature", "0", *options],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/v1", line)
        assert found, line + process.stdout.read()
        try:
            yield found[0], process
        finally:
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)


class Alone:
    """What the model says to one prompt, with nobody beside it."""

    def __init__(self, folder: Path, sample: ModuleType, generate: ModuleType) -> None:
        self.model = sample.load(folder / "run", "cpu")
        self.tokenizer = sample.choose_tokenizer(str(folder / "run/tokenizer.json"))
        self.generate = generate
        self.known: dict[tuple[str, int], str] = {}

    def completion(self, prompt: str, tokens: int, ends: tuple[int, ...] = ()) -> str:
        if (prompt, tokens) not in self.known:
            ids = self.tokenizer.encode(prompt)
            choice = self.generate.Choice(temperature=0.0, ends=ends)
            (row,) = self.generate.generate(self.model, [ids], tokens, choice)
            made = [token for token in row[len(ids) :] if token not in ends]
            self.known[prompt, tokens] = self.tokenizer.decode(made)
        return self.known[prompt, tokens]

    def chat(self, said: list[tuple[str, str]], tokens: int) -> str:
        prompt = "".join(f"<|{role}|>{content}<|end|>\n" for role, content in said)
        (end,) = self.tokenizer.encode("<|end|>")
        return self.completion(prompt + "<|assistant|>", tokens, (end,))
