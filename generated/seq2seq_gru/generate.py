# Made from specs/seq2seq_gru.yaml; make it again: tgen build specs/seq2seq_gru.yaml
"""How targets are made: of the likeliest tokens, of drawn ones, or by a beam search."""

from __future__ import annotations

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
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """The target of each source, up to its separator or `tokens` long, all as one batch."""
    device = next(iter(model.state_dict().values())).device
    source, lengths = side_by_side(sources, device)
    cache = model.new_cache(len(sources), tokens)
    begin = torch.full((len(sources), 1), separator, device=device)
    logits = model.prefill(source, begin, cache, source_lengths=lengths)
    made = [pick(logits, temperature, top_k, top_p, min_p, generator)]
    ended = made[0] == separator
    while len(made) < tokens and not bool(ended.all()):
        logits = model.decode(made[-1], cache)
        made.append(pick(logits, temperature, top_k, top_p, min_p, generator))
        ended |= made[-1] == separator
    rows = torch.stack(made, dim=1).tolist()
    return [row[: row.index(separator)] if separator in row else row for row in rows]


class Answer(NamedTuple):
    """A target without its end, and its score, in which the end counts.

    That is its log probability over its number of tokens to the power of a length penalty.
    """

    score: float
    tokens: list[int]


class Beams:
    """The likeliest beginnings of each source's answers, and the answers that came of them."""

    def __init__(
        self, begin: Tensor, tokens: int, beams: int, best: int, length_penalty: float
    ) -> None:
        self.beams, self.tokens, self.penalty = beams, tokens, length_penalty
        self.answers: list[list[Answer]] = [[] for _ in begin]  # of each source, the best first
        self.slots, self.separator = best, begin[0]  # answers that are kept, and how they end
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
        values, places = sums.flatten(1).topk(beams * min(2, size))  # so that K of them don't end
        rows = torch.arange(count, device=scores.device)[:, None]
        beam, token = places // size, places % size  # (N, C), the likeliest first
        texts = torch.cat((self.made[rows, beam], token[..., None]), dim=-1)  # (N, C, T + 1)
        ended = (token == self.separator) | (length == self.tokens)
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
            answers.append(Answer(score, text[1:-1] if text[-1] == text[0] else text[1:]))
            answers.sort(reverse=True)
            del answers[self.slots :]

    def going(self, length: int) -> list[int]:
        """The rows of sources of which an answer may still be found that is good enough.

        A beginning only gets less likely: the longest answer to come of it, or where that is no
        gain the shortest, has at best its log probability.
        """
        reached = self.tokens if self.penalty > 0 else length
        bounds = (self.totals[:, 0] / reached**self.penalty).tolist()
        going = []
        for row, (source, bound) in enumerate(zip(self.left, bounds, strict=True)):
            answers = self.answers[source]
            worst = answers[-1].score if len(answers) == self.slots else -torch.inf
            if bound > worst:
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
) -> list[list[Answer]]:
    """The `best` answers to each source that a beam search finds, the best first, as one batch.

    An answer ends with its separator, or at `tokens` of them; the search goes on while one may
    become one of the best.
    """
    device = next(iter(model.state_dict().values())).device
    begin = torch.full((len(sources),), separator, device=device)
    cache, logits = begun(model, sources, begin, tokens, beams)
    kept = Beams(begin, tokens, beams, best, length_penalty)
    while True:
        scores = logits.float().log_softmax(-1)
        rows = kept.grow(scores)
        if len(rows) == 0:
            return [answers[:best] for answers in kept.answers]
        cache.select(rows)
        logits = model.decode(kept.made[..., -1].flatten(), cache)
