"""Recurrent packages beside the same networks written by hand from PyTorch's modules.

    python -m benchmarks.sequences_speed [--repeat 15]

A step of training each (loss, gradients, AdamW), same weights and batch, by turns in one process;
then 200 tokens, one by one, of a recurrent language model and of transformers that learn as much
in a step. One thread; medians of CPU milliseconds.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

from tests.packages import import_package

ROOT = Path(__file__).parent.parent
BATCH, SOURCE, TARGET = 64, 12, 14  # pairs, and tokens of each
DECODED = 200  # tokens
BY_HAND = ("lstm_char", "gru_char", "seq2seq_gru", "seq2seq_luong")
LANGUAGE_MODELS = ("lstm_char", "gru_char", "gpt_char", "char_modern")


class LanguageModel(nn.Module):
    """Stacked cells between an embedding and the head that shares it."""

    def __init__(self, config: Any, cell: type[nn.LSTM] | type[nn.GRU]) -> None:
        super().__init__()
        width, rate = config.width, config.dropout
        self.embedding = nn.Embedding(config.vocab_size, width)
        self.rnn = cell(width, width, config.layers, batch_first=True, dropout=rate)
        self.head = nn.Linear(width, config.vocab_size)
        self.head.weight = self.embedding.weight
        self.dropout = nn.Dropout(rate)

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        x, _ = self.rnn(self.dropout(self.embedding(tokens)))
        return F.cross_entropy(self.head(self.dropout(x)).flatten(0, 1), targets.flatten())


class Translator(nn.Module):
    """A GRU that attends to what a GRU of both directions made of a source; what both have."""

    def __init__(self, config: Any, rates: tuple[float, float], fed: int, head: nn.Linear) -> None:
        super().__init__()
        width, both, read = config.width, 2 * config.encoder_width, config.embedding_dim
        self.embedding = nn.Embedding(config.vocab_size, read)
        self.encoder = nn.GRU(read, both // 2, batch_first=True, bidirectional=True)
        self.bridge = nn.Linear(both, width)
        self.decoder = nn.GRU(read + fed, width, batch_first=True)
        self.head = head
        self.read_dropout, self.made_dropout = map(nn.Dropout, rates)

    def encoded(self, source: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States of a source (B, S, E), which of them are padding (B, S), the first of decoding."""
        x = self.read_dropout(self.embedding(source))
        x = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        rows, last = self.encoder(x)
        values, _ = nn.utils.rnn.pad_packed_sequence(rows, batch_first=True)
        padding = torch.arange(values.size(1)) >= lengths[:, None]
        return values, padding, torch.tanh(self.bridge(torch.cat((last[0], last[1]), -1)))[None]

    def loss(self, x: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.head(self.made_dropout(x)).flatten(0, 1), targets.flatten())


class Bahdanau(Translator):
    """Scores from a small network; what is seen is read by the cell and by the head."""

    def __init__(self, config: Any, rates: tuple[float, float]) -> None:
        width, both, keys = config.width, 2 * config.encoder_width, config.attention_width
        head = nn.Linear(width + both + config.embedding_dim, config.vocab_size)
        super().__init__(config, rates, both, head)
        self.of_keys = nn.Linear(both, keys, bias=False)
        self.of_state = nn.Linear(width, keys)
        self.score = nn.Linear(keys, 1, bias=False)

    def forward(self, source: Tensor, lengths: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
        values, padding, state = self.encoded(source, lengths)
        keys = self.of_keys(values)
        x, made = self.read_dropout(self.embedding(tokens)), []
        for token in x.split(1, dim=1):
            scores = self.score(torch.tanh(self.of_state(state[0])[:, None] + keys))[..., 0]
            weights = scores.masked_fill(padding, -torch.inf).softmax(-1)
            seen = torch.bmm(weights[:, None], values)
            h, state = self.decoder(torch.cat((token, seen), -1), state)
            made.append(torch.cat((h, seen, token), -1))
        return self.loss(torch.cat(made, dim=1), targets)


class Luong(Translator):
    """Scores through a matrix, of all of a target at once; the head shares the embedding."""

    def __init__(self, config: Any, rates: tuple[float, float]) -> None:
        width, both = config.width, 2 * config.encoder_width
        super().__init__(config, rates, 0, nn.Linear(width, config.vocab_size))
        self.head.weight = self.embedding.weight
        self.of_keys = nn.Linear(both, width, bias=False)
        self.join = nn.Linear(both + width, width, bias=False)

    def forward(self, source: Tensor, lengths: Tensor, tokens: Tensor, targets: Tensor) -> Tensor:
        values, padding, state = self.encoded(source, lengths)
        h, _ = self.decoder(self.read_dropout(self.embedding(tokens)), state)
        scores = torch.bmm(h, self.of_keys(values).mT)
        weights = scores.masked_fill(padding[:, None], -torch.inf).softmax(-1)
        seen = torch.bmm(weights, values)
        return self.loss(torch.tanh(self.join(torch.cat((seen, h), -1))), targets)


# ---- ours, and a batch ----


def built(name: str, folder: Path, **model: object) -> Any:
    """A committed spec's model, with other values of its `model`."""
    spec = yaml.safe_load((ROOT / f"specs/{name}.yaml").read_text())
    spec["model"] |= model
    (module,) = import_package(folder, spec, "model")
    made = module.Model(module.Config())
    made.init_weights()
    return made


def language_models(name: str, folder: Path) -> tuple[nn.Module, nn.Module, list[Tensor]]:
    """Ours, theirs, and what both are called with."""
    ours = built(name, folder)
    config = ours.config
    theirs = LanguageModel(config, nn.LSTM if "lstm" in name else nn.GRU)
    theirs.rnn.load_state_dict(ours.rnn.state_dict())
    theirs.embedding.load_state_dict(ours.token_embedding.state_dict())
    theirs.head.bias = nn.Parameter(ours.head_bias.detach().clone())
    tokens = torch.randint(config.vocab_size, (12, config.context_length + 1))
    return ours, theirs, [tokens[:, :-1], tokens[:, 1:]]


def translators(name: str, folder: Path) -> tuple[nn.Module, nn.Module, list[Tensor]]:
    """The same of encoder-decoders: `source`, its lengths, tokens and targets."""
    ours = built(name, folder)
    before = "gru" in name
    rates = ours.embedding_dropout.p, ours.output_dropout.p
    theirs = (Bahdanau if before else Luong)(ours.config, rates)
    pairs = {"embedding": ours.token_embedding, "encoder": ours.encoder.rnn, "decoder": ours.rnn}
    pairs |= {"bridge": ours.encoder.hidden_bridge, "of_keys": ours.attention.k_proj}
    if before:
        pairs |= {"of_state": ours.attention.q_proj, "score": ours.attention.score}
        pairs |= {"head": ours.head}
    else:
        pairs |= {"join": ours.join}
        theirs.head.bias = nn.Parameter(ours.head_bias.detach().clone())
    for part, layer in pairs.items():
        getattr(theirs, part).load_state_dict(layer.state_dict())
    source = torch.randint(1, ours.config.vocab_size, (BATCH, SOURCE))
    lengths = torch.randint(SOURCE // 2, SOURCE + 1, (BATCH,))
    lengths[0] = SOURCE
    tokens = torch.randint(ours.config.vocab_size, (BATCH, TARGET + 1))
    return ours, theirs, [source, lengths, tokens[:, :-1], tokens[:, 1:]]


def loss_of_ours(model: nn.Module, batch: list[Tensor]) -> Tensor:
    if len(batch) == 2:
        loss: Tensor = model(*batch)
    else:
        source, lengths, tokens, targets = batch
        loss = model(source, tokens, targets, source_lengths=lengths)
    return loss


def loss_of_theirs(model: nn.Module, batch: list[Tensor]) -> Tensor:
    loss: Tensor = model(*batch)
    return loss


# ---- measuring ----


def by_turns(sides: Sequence[Callable[[], object]], repeat: int) -> list[float]:
    """Medians of CPU milliseconds."""
    times: list[list[float]] = [[] for _ in sides]
    for turn in range(repeat + 2):
        for side, found in zip(sides, times, strict=True):
            began = time.process_time()
            side()
            if turn >= 2:
                found.append(1e3 * (time.process_time() - began))
    return [statistics.median(found) for found in times]


def step(
    model: nn.Module, loss_of: Callable[[nn.Module, list[Tensor]], Tensor], batch: list[Tensor]
) -> Callable[[], None]:
    """A step of training."""
    optimizer = torch.optim.AdamW(model.train().parameters(), 1e-4, fused=True)

    def taken() -> None:
        torch.autograd.backward(loss_of(model, batch))
        optimizer.step()
        optimizer.zero_grad()

    return taken


def compared(name: str, repeat: int, folder: Path) -> str:
    """A row: a step of ours, one of theirs, and the first by the second."""
    torch.manual_seed(0)
    makes = language_models if name.endswith("_char") else translators
    ours, theirs, batch = makes(name, folder)
    losses = [loss_of_ours(ours.eval(), batch), loss_of_theirs(theirs.eval(), batch)]
    torch.testing.assert_close(*losses, msg=f"{name}: the two aren't the same network")
    sides = [step(ours, loss_of_ours, batch), step(theirs, loss_of_theirs, batch)]
    mine, others = by_turns(sides, repeat)
    return f"| `{name}` | {mine:.0f} | {others:.0f} | {mine / others:.2f} |"


@torch.inference_mode()
def decode(model: Any) -> None:
    """The likeliest tokens, one by one, after a first."""
    cache = model.new_cache(1, DECODED + 1)
    token = model.prefill(torch.zeros(1, 1, dtype=torch.int64), cache).argmax(-1)
    for _ in range(DECODED):
        token = model.decode(token, cache).argmax(-1)


def decoders(repeat: int, folder: Path) -> list[str]:
    """Rows: milliseconds that each model takes for all tokens."""
    models = [built(name, folder, context_length=2 * DECODED).eval() for name in LANGUAGE_MODELS]
    times = by_turns([partial(decode, model) for model in models], repeat)
    return [f"| `{name}` | {ms:.0f} |" for name, ms in zip(LANGUAGE_MODELS, times, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        print(f"| a step of | ours, ms | by hand, ms | ours / by hand |\n|---|{'---:|' * 3}")
        for name in BY_HAND:
            print(compared(name, given.repeat, folder), flush=True)
        print(f"\n| {DECODED} tokens of | ms |\n|---|---:|")
        print("\n".join(decoders(given.repeat, folder)))


if __name__ == "__main__":
    main()
