# Made from specs/mistral.yaml; make it again: tgen build specs/mistral.yaml
"""How texts go on: each token is read once, and the next ones are chosen from the logits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .model import Cache, Model

READ_TOGETHER = 256  # tokens of a row: what a prompt needs is bounded by it, however long it is


@dataclass(frozen=True)
class Choice:
    """How the next token is chosen, which ones end a text, and which are never made."""

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    ends: tuple[int, ...] = ()
    barred: tuple[int, ...] = ()


LIKELIEST = Choice(temperature=0.0)


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
        less = torch.where(logits < 0, logits * self.penalty, logits / self.penalty)
        logits = torch.where(self.seen, less, logits).masked_fill(self.barred, -torch.inf)
        return self.noted(pick(logits, temperature, top_k, top_p, min_p, generator))

    def noted(self, tokens: Tensor) -> Tensor:
        """The tokens (B,), each now its row's last."""
        self.seen.scatter_(1, tokens[:, None], True)
        self.ended |= torch.isin(tokens, self.ends)
        return tokens


class Session:
    """Texts that a model goes on with as one batch; it keeps what it has read of them.

    Where the model's context ends, the newer half of each text is read again.
    """

    def __init__(self, model: Model, texts: int, compiled: bool = False) -> None:
        self.model, self.device = model, next(iter(model.state_dict().values())).device
        self.texts: list[list[int]] = [[] for _ in range(texts)]
        self.cache: Cache | None = None
        self.held = 0  # tokens of the longest text in the cache, or more
        self.decode: Callable[[Tensor, Cache], Tensor] = model.decode
        if compiled:
            self.decode = torch.compile(model.decode)

    @torch.inference_mode()
    def read(self, new: list[list[int]], expected: int = 1) -> Tensor:
        """Logits (B, V) of what follows each text with new tokens at its end, one at least.

        So many more are `expected`, for which the cache is made long enough.
        """
        for text, more in zip(self.texts, new, strict=True):
            text.extend(more)
        longest = max(len(more) for more in new)
        if self.cache is None or self.held + longest > self.model.config.context_length:
            return self.begin(expected)
        if self.held + longest > self.cache.length:
            room = max(2 * self.cache.length, self.held + longest + expected)
            room = min(room, self.model.config.context_length)
            self.cache = longer(self.cache, self.model, room)
        self.held += longest
        tokens, lengths = side_by_side(new, self.device)
        return self.append(tokens, lengths, self.cache)

    def step(self, token: Tensor, expected: int = 1) -> Tensor:
        """Logits (B, V) after one token (B,) more in each text."""
        if self.cache is None or self.held == self.cache.length:
            return self.read(token[:, None].tolist(), expected)
        self.held += 1
        for text, new in zip(self.texts, token.tolist(), strict=True):
            text.append(new)
        return self.decode(token, self.cache)

    def begin(self, expected: int) -> Tensor:
        """Reads the texts as prompts of a new cache."""
        context = self.model.config.context_length
        keep = context if self.cache is None else max(1, context // 2)
        tokens, lengths = side_by_side([text[-keep:] for text in self.texts], self.device)
        length = min(context, tokens.size(1) + expected)
        self.cache = self.model.new_cache(len(tokens), length)
        self.held = tokens.size(1)
        return self.model.prefill(tokens, self.cache, lengths)

    def append(self, tokens: Tensor, lengths: Tensor, cache: Cache) -> Tensor:
        """Logits (B, V) after the last of new tokens (B, T), of which rows have `lengths` (B,)."""
        found: list[Tensor] = []
        for start in range(0, tokens.size(1), READ_TOGETHER):
            part = tokens[:, start : start + READ_TOGETHER]
            here = (lengths - start).clamp(0, part.size(1))
            logits = self.model.extend(part, cache, here)
            last = logits[torch.arange(len(part), device=part.device), (here - 1).clamp(min=0)]
            found.append(torch.where((here > 0)[:, None], last, found[-1]) if found else last)
        return found[-1]

    def go_on(self, tokens: list[int], expected: int) -> Tensor:
        """Logits (1, V) after the one text that this becomes: of its tokens only the new are read.

        A text that is another from some token on is read anew.
        """
        (text,) = self.texts
        same = 0
        while same < min(len(text), len(tokens) - 1) and text[same] == tokens[same]:
            same += 1
        if same < len(text):
            self.take_back(same)
        return self.read([tokens[len(self.texts[0]) :]], expected)

    def take_back(self, length: int) -> None:
        """Forgets what the one text has beyond a length."""
        self.texts, self.cache = [[]], None


def longer(cache: Cache, model: Model, length: int) -> Cache:
    """A cache of so many tokens that holds what a shorter one does."""
    grown = model.new_cache(len(cache.rows), length)
    grown.lengths, grown.used = cache.lengths, cache.used
    for layer, before in zip(grown.layers, cache.layers, strict=True):
        layer.keys[:, :, : before.keys.size(2)] = before.keys
        layer.values[:, :, : before.values.size(2)] = before.values
    return grown


def forget(cache: Cache, row: int) -> None:
    """Empties a row, which begins anew."""
    rows = torch.tensor([row], device=cache.lengths.device)
    cache.lengths, cache.used = cache.lengths.index_fill(0, rows, 0), None


def side_by_side(rows: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows as one batch (B, T), and how many tokens of each are no padding (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    longest = int(lengths.max())
    padded = [row + [0] * (longest - len(row)) for row in rows]
    return torch.tensor(padded, device=device), lengths


@torch.inference_mode()
def stream(
    session: Session,
    logits: Tensor,
    tokens: int,
    choice: Choice,
    generator: torch.Generator | None = None,
    scores: list[list[float]] | None = None,
) -> Iterator[list[int]]:
    """The next token of each text, again and again: `tokens` of them, or until all have ended.

    They go on from logits (B, V); the last ones are not read. Where `scores` are asked for, each
    step adds the log probabilities of its tokens.
    """
    picker = Picker(
        session.texts, session.model, choice.ends, choice.barred, choice.repetition_penalty
    )
    how = choice.temperature, choice.top_k, choice.top_p, choice.min_p
    for left in range(tokens, 0, -1):
        token = picker.pick(logits, *how, generator)
        if scores is not None:
            likely = logits.float().log_softmax(-1).gather(1, token[:, None])
            scores.append(likely[:, 0].tolist())
        yield token.tolist()
        if left == 1 or picker.ended.all():
            return
        logits = session.step(token, left - 1)


@torch.inference_mode()
def generate(
    model: Model,
    prompts: list[list[int]],
    tokens: int,
    choice: Choice = LIKELIEST,
    generator: torch.Generator | None = None,
) -> list[list[int]]:
    """Each prompt and `tokens` more, or fewer up to one of the ends, all as one batch."""
    session = Session(model, len(prompts))
    logits = session.read(prompts, tokens - 1)
    steps = stream(session, logits, tokens, choice, generator)
    made = zip(*steps, strict=True)
    return [
        up_to([*prompt, *new], len(prompt), choice.ends)
        for prompt, new in zip(prompts, made, strict=True)
    ]


def up_to(row: list[int], start: int, ends: Collection[int]) -> list[int]:
    """The row without what follows the first of the `ends` from a place on."""
    last = next((at for at in range(start, len(row)) if row[at] in ends), len(row))
    return row[: last + 1]
