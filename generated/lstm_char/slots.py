# Made from specs/lstm_char.yaml; make it again: tgen build specs/lstm_char.yaml
"""Requests that a model answers side by side: each has a slot, a row of one cache.

Whoever comes reads its prompt in parts, while the others go on token by token.
"""

from __future__ import annotations

import queue
import threading
from collections import deque

import torch
from torch import Tensor

from .detokenize import Detokenizer
from .generate import Choice, Picker, forget, side_by_side
from .model import Model

READ_TOGETHER = 64  # tokens of a prompt: so long the others wait for their next one


class Request:
    """A prompt, how it is to go on, and the pieces of text that came of it so far.

    `said` gives the pieces, and None after the last. Whoever asks may set `gone`, and is answered
    no more.
    """

    def __init__(
        self, prompt: list[int], tokens: int, choice: Choice, text: Detokenizer, seed: int | None
    ) -> None:
        self.prompt, self.tokens, self.choice, self.text = prompt, tokens, choice, text
        self.seed = torch.seed() if seed is None else seed
        self.said: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.unread = [*prompt]
        self.made = 0  # tokens
        self.reason = ""  # why it ended: "stop", "length", or what went wrong
        self.gone = False
        self.picker: Picker | None = None
        self.generator: torch.Generator | None = None

    def begin(self, model: Model) -> None:
        """Makes ready what draws its tokens."""
        choice, device = self.choice, next(iter(model.state_dict().values())).device
        self.generator = torch.Generator(device).manual_seed(self.seed)
        self.picker = Picker(
            [self.prompt], model, choice.ends, choice.barred, choice.repetition_penalty
        )

    def go_on(self, logits: Tensor) -> None:
        """Takes the next token from logits (1, V), and says what is certain of the text."""
        assert self.picker is not None
        how = self.choice
        drawn = how.temperature, how.top_k, how.top_p, how.min_p
        token = int(self.picker.pick(logits, *drawn, self.generator))
        self.made, self.unread = self.made + 1, [token]
        if piece := self.text.add(token):
            self.said.put(piece)
        if self.text.ended or self.made == self.tokens:
            self.end("stop" if self.text.ended else "length")

    def end(self, reason: str) -> None:
        if rest := self.text.rest():
            self.said.put(rest)
        self.reason = reason
        self.said.put(None)


class Slots:
    """A model's cache of `count` rows, and those who wait for one: `waiting` at most."""

    def __init__(self, model: Model, count: int, length: int, waiting: int) -> None:
        self.model, self.length, self.waiting = model, length, waiting
        self.device = next(iter(model.state_dict().values())).device
        self.rows: list[Request | None] = [None] * count
        self.queue: deque[Request] = deque()
        self.changed = threading.Condition()
        self.closed = False
        self.empty()

    def empty(self) -> None:
        """Begins with a new cache."""
        self.cache = self.model.new_cache(len(self.rows), self.length)
        self.held = [0] * len(self.rows)  # tokens in each row

    def ask(self, request: Request) -> bool:
        """Whether the request may wait for a slot; if not, too many do."""
        with self.changed:
            free = self.rows.count(None)
            if self.closed or len(self.queue) >= self.waiting + free:
                return False
            self.queue.append(request)
            self.changed.notify_all()
        return True

    def close(self) -> None:
        """Lets nobody in any more; `run` ends with the last answer."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def run(self) -> None:
        """Answers all who come, until `close`."""
        while self.enter():
            try:
                self.step()
            except Exception as error:  # one that fails takes all with it, and the next may come
                for row, request in enumerate(self.rows):
                    if request is not None:
                        request.end(f"{type(error).__name__}: {error!s:.200}")
                    self.rows[row] = None
                self.empty()

    def enter(self) -> bool:
        """Gives free slots to those who wait; waits where there is nobody. False: it is over."""
        with self.changed:
            while not self.queue and self.rows.count(None) == len(self.rows):
                if self.closed:
                    return False
                self.changed.wait()
            came = []
            for row, request in enumerate(self.rows):
                if request is None and self.queue:
                    self.rows[row] = self.queue.popleft()
                    came.append(row)
        for row in came:
            self.forget(row)
        return True

    @torch.inference_mode()
    def forget(self, row: int) -> None:
        """Empties a slot for the request that has it now."""
        forget(self.cache, row)
        self.held[row] = 0
        request = self.rows[row]
        assert request is not None
        request.begin(self.model)

    @torch.inference_mode()
    def step(self) -> None:
        """One pass of the model: a part of each prompt, and a token of each answer."""
        self.leave()
        room = self.length - max(
            (held for held, request in zip(self.held, self.rows, strict=True) if request), default=0
        )
        most = max(1, min(READ_TOGETHER, room))
        new = [request.unread[:most] if request else [] for request in self.rows]
        if not any(new):
            return
        tokens, lengths = side_by_side(new, self.device)
        logits = self.model.extend(tokens, self.cache, lengths)  # (B, T, V)
        for row, (request, read) in enumerate(zip(self.rows, new, strict=True)):
            if request is None:
                continue
            self.held[row] += len(read)
            del request.unread[: len(read)]
            if not request.unread:
                request.go_on(logits[row : row + 1, len(read) - 1])
        self.leave()

    def leave(self) -> None:
        """Frees the slots of those who have their answer, or have gone."""
        for row, request in enumerate(self.rows):
            if request is not None and (request.reason or request.gone):
                self.rows[row] = None
