# Made from specs/bart_base.yaml; make it again: tgen build specs/bart_base.yaml
"""How targets are made: of the likeliest tokens, of drawn ones, or by a beam search."""

from __future__ import annotations

from collections.abc import Collection
from itertools import takewhile
from typing import NamedTuple

import torch
from torch import Tensor

from .model import Cache, Model


def pick(
    logits: Tensor,
    temperature: float,
    top_k: int,
    top_p: float,
    min_p: float,
    generator: torch.Generator | None,
) -> Tensor:
    """One token per row (B,) of the logits (B, V).

    Only the top_k likeliest tokens are drawn (0: all), of them the fewest that hold a share
    top_p of the probability, and none less likely than min_p times the likeliest
    (arXiv:2407.01082, section 3); temperature 0 takes the likeliest.
    """
    if temperature < 1e-30:  # by less, float32 does not divide
        return logits.argmax(-1)
    ordered, tokens = logits.float().sort(descending=True)
    probabilities = (ordered[:, : top_k or None] / temperature).softmax(-1)
    before = probabilities.cumsum(-1) - probabilities
    probabilities = probabilities.masked_fill((before >= top_p) & (before > 0), 0.0)
    least = min_p * probabilities[:, :1]
    probabilities = probabilities.masked_fill(probabilities < least, 0.0)
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
        device, size = next(iter(model.state_dict().values())).device, model.config.vocab_size
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
        min_p: float,
        generator: torch.Generator | None,
    ) -> Tensor:
        """One token per row (B,) of the logits (B, V)."""
        logits = self.weighed(logits, self.seen)
        return self.noted(pick(logits, temperature, top_k, top_p, min_p, generator))

    def weighed(self, scores: Tensor, seen: Tensor) -> Tensor:
        """Logits or log probabilities (B, V), less where tokens are seen; barred ones have none."""
        less = torch.where(scores < 0, scores * self.penalty, scores / self.penalty)
        return torch.where(seen, less, scores).masked_fill(self.barred, -torch.inf)

    def noted(self, tokens: Tensor) -> Tensor:
        """The tokens (B,), each now its row's last."""
        self.seen.scatter_(1, tokens[:, None], True)
        self.ended |= torch.isin(tokens, self.ends)
        return tokens


def side_by_side(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows as one batch (B, T), and how many tokens of each are no padding (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    longest = int(lengths.max())
    padded = [row + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=device), lengths


@torch.inference_mode()
def generate(
    model: Model,
    sources: list[list[int]],
    separator: int,
    tokens: int,
    *,
    ends: Collection[int] = (),
    barred: Collection[int] = (),
    forced_first: int | None = None,
    forced_last: int | None = None,
    repetition_penalty: float = 1.0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """The target of each source, up to one of its `ends` (by default the separator), as a batch."""
    ends = ends or (separator,)
    picker = Picker([[separator]] * len(sources), model, ends, barred, repetition_penalty)
    device = next(iter(model.state_dict().values())).device
    source, lengths = side_by_side(sources, device)
    cache = model.new_cache(len(sources), tokens)
    begin = torch.full((len(sources), 1), separator, device=device)
    logits = model.prefill(source, begin, cache, source_lengths=lengths)
    if forced_first is None:
        made = [picker.pick(logits, temperature, top_k, top_p, min_p, generator)]
    else:
        made = [picker.noted(torch.full_like(lengths, forced_first))]
    while len(made) < tokens and not picker.ended.all():
        logits = model.decode(made[-1], cache)
        made.append(picker.pick(logits, temperature, top_k, top_p, min_p, generator))
    if forced_last is not None and len(made) == tokens:
        made[-1] = torch.full_like(made[-1], forced_last)
    rows = torch.stack(made, dim=1).tolist()
    return [list(takewhile(lambda token: token not in ends, row)) for row in rows]


class Answer(NamedTuple):
    """A target without its end, and its score, in which the end counts.

    That is its log probability over its number of tokens to the power of a length penalty.
    """

    score: float
    tokens: list[int]


class Beams:
    """The likeliest beginnings of each source's answers, and the answers that came of them."""

    def __init__(
        self,
        begin: Tensor,
        tokens: int,
        beams: int,
        best: int,
        length_penalty: float,
        early_stopping: bool | str,
        ends: tuple[int, ...],
    ) -> None:
        self.beams, self.tokens, self.penalty = beams, tokens, length_penalty
        self.answers: list[list[Answer]] = [[] for _ in begin]  # of each source, the best first
        self.early, self.ends = early_stopping, ends
        self.slots = best if early_stopping == "never" else beams  # answers that are kept
        self.candidates = 1 + len(ends)  # of each beam
        self.left = list(range(len(begin)))  # the sources whose search goes on
        self.made = begin[:, None, None].expand(-1, beams, 1)  # (N, K, T), the separator first
        self.totals = torch.full(self.made.shape[:2], -torch.inf, device=begin.device)
        self.totals[:, 0] = 0.0  # log probabilities; there is one beginning

    def grow(self, scores: Tensor) -> Tensor:
        """Beginnings longer by a token, whose log probabilities are (N * K, V).

        The rows (M * K,) of which they came; of sources whose search has ended there are none.
        """
        size, (count, beams, length) = scores.size(-1), self.made.shape
        sums = self.totals[..., None] + scores.view(count, beams, size)  # (N, K, V)
        values, places = sums.flatten(1).topk(beams * min(self.candidates, size))
        rows = torch.arange(count, device=scores.device)[:, None]
        beam, token = places // size, places % size  # (N, C), the likeliest first
        texts = torch.cat((self.made[rows, beam], token[..., None]), dim=-1)  # (N, C, T + 1)
        ends = torch.tensor(self.ends, device=token.device)
        ended = torch.isin(token, ends) | (length == self.tokens)
        found = ended[:, :beams] & (values[:, :beams] > -torch.inf)
        self.keep(found, values[:, :beams], texts[:, :beams])
        self.totals, order = values.masked_fill(ended, -torch.inf).topk(beams)
        going = self.going(length)
        self.left = [self.left[row] for row in going]
        self.totals, self.made = self.totals[going], texts[rows, order][going]
        return (rows * beams + beam.gather(1, order))[going].flatten()

    def keep(self, found: Tensor, values: Tensor, texts: Tensor) -> None:
        """Of the likeliest texts (N, K, T + 1) those that are found to have ended are answers."""
        length = texts.size(-1) - 1
        scores = (values[found] / length**self.penalty).tolist()
        for row, score, text in zip(
            found.nonzero()[:, 0].tolist(), scores, texts[found].tolist(), strict=True
        ):
            answers = self.answers[self.left[row]]
            answers.append(Answer(score, text[1:-1] if text[-1] in self.ends else text[1:]))
            answers.sort(reverse=True)
            del answers[self.slots :]

    def going(self, length: int) -> list[int]:
        """The rows of sources of which an answer may still be found that is good enough.

        A beginning only gets less likely: the longest answer to come of it, or where that is no
        gain the shortest, has at best its log probability.
        """
        far = self.penalty > 0 and self.early == "never"
        bounds = (self.totals[:, 0] / (self.tokens if far else length) ** self.penalty).tolist()
        going = []
        for row, (source, bound) in enumerate(zip(self.left, bounds, strict=True)):
            answers = self.answers[source]
            full = len(answers) == self.slots
            worst = answers[-1].score if full else -torch.inf
            if bound > worst and not (full and self.early is True):
                going.append(row)
        return going


def begun(
    model: Model, sources: list[list[int]], begin: Tensor, tokens: int, beams: int
) -> tuple[Cache, Tensor]:
    """What a model keeps of sources, each once for each beam, and what it makes of a beginning."""
    source, lengths = side_by_side(sources, begin.device)
    cache = model.new_cache(len(sources), tokens)
    logits = model.prefill(source, begin[:, None], cache, source_lengths=lengths)
    rows = torch.arange(len(sources), device=begin.device).repeat_interleave(beams)
    cache.select(rows)
    return cache, logits[rows]


def held(scores: Tensor, made: Tensor) -> Tensor:
    """Which tokens (B, V) are there already (B, T)."""
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, made, True)


def only(scores: Tensor, token: int) -> Tensor:
    """Log probabilities (B, V) of one token that has to come."""
    forced = torch.full_like(scores, -torch.inf)
    forced[:, token] = 0.0
    return forced


@torch.inference_mode()
def search(
    model: Model,
    sources: list[list[int]],
    separator: int,
    tokens: int,
    *,
    beams: int,
    best: int = 1,
    length_penalty: float = 1.0,
    early_stopping: bool | str = "never",
    ends: Collection[int] = (),
    barred: Collection[int] = (),
    forced_first: int | None = None,
    forced_last: int | None = None,
    repetition_penalty: float = 1.0,
) -> list[list[Answer]]:
    """The `best` answers to each source that a beam search finds, the best first, as one batch.

    An answer ends with one of its `ends`, by default the separator, or at `tokens` of them. A
    search that "never" stops early goes on while an answer may become one of the best; as in
    transformers, False goes on while one is good enough as it stands, True up to `beams` answers.
    """
    device = next(iter(model.state_dict().values())).device
    begin = torch.full((len(sources),), separator, device=device)
    cache, logits = begun(model, sources, begin, tokens, beams)
    ends = tuple(ends or (separator,))
    picker = Picker([[separator]], model, ends, barred, repetition_penalty)
    kept = Beams(begin, tokens, beams, best, length_penalty, early_stopping, ends)
    while True:
        scores = logits.float().log_softmax(-1)
        scores = picker.weighed(scores, held(scores, kept.made.flatten(0, 1)))
        length = kept.made.size(-1)  # the next tokens'
        forced = forced_last if length == tokens else forced_first if length == 1 else None
        if forced is not None:
            scores = only(scores, forced)
        rows = kept.grow(scores)
        if len(rows) == 0:
            return [answers[:best] for answers in kept.answers]
        cache.select(rows)
        logits = model.decode(kept.made[..., -1].flatten(), cache)
