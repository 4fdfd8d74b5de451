"""What a recurrent network of a spec must compute, in plain numpy: one row at a time, unpadded.

It shares no code with the templates and reads a spec's mapping, not its plan. Sources: cells as in
the documentation of torch.nn.LSTM, GRU and RNN; attention as in arXiv:1409.0473, appendix A.1.2,
and arXiv:1508.04025, section 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.oracle.arrays import Array, Weights, part_of

State = list[tuple[Array, Array]]  # of each layer: what it hands on, and what it keeps


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x))"""
    made: Array = 1 / (1 + np.exp(-x))
    return made


def softmax(x: Array) -> Array:
    """Over the last axis."""
    risen = np.exp(x - x.max(-1, keepdims=True))
    made: Array = risen / risen.sum(-1, keepdims=True)
    return made


def lstm(own: Weights, x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step; gates are input, forget, cell, output."""
    hidden, kept = state
    gates = own["weight_ih"] @ x + own["bias_ih"] + own["weight_hh"] @ hidden + own["bias_hh"]
    enter, forget, new, leave = np.split(gates, 4)
    kept = sigmoid(forget) * kept + sigmoid(enter) * np.tanh(new)
    hidden = sigmoid(leave) * np.tanh(kept)
    return (own["weight_hr"] @ hidden if "weight_hr" in own else hidden), kept


def gru(own: Weights, x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step; gates are reset, update, new."""
    hidden, kept = state
    of_x = np.split(own["weight_ih"] @ x + own["bias_ih"], 3)
    of_h = np.split(own["weight_hh"] @ hidden + own["bias_hh"], 3)
    reset, update = sigmoid(of_x[0] + of_h[0]), sigmoid(of_x[1] + of_h[1])
    new = np.tanh(of_x[2] + reset * of_h[2])
    return (1 - update) * new + update * hidden, kept


def rnn(own: Weights, x: Array, state: tuple[Array, Array]) -> tuple[Array, Array]:
    """One step of an Elman network."""
    hidden, kept = state
    total = own["weight_ih"] @ x + own["bias_ih"] + own["weight_hh"] @ hidden + own["bias_hh"]
    return np.tanh(total), kept


CELLS = {"lstm": lstm, "gru": gru, "rnn": rnn}


def layer_weights(weights: Weights, layer: int, way: str = "") -> Weights:
    """Of one layer and direction, whether layers are modules of their own or not."""
    alone = part_of(weights, f"layers.{layer}")
    end = f"_l{0 if alone else layer}{way}"
    found = (alone or weights).items()
    return {name.removesuffix(end): weight for name, weight in found if name.endswith(end)}


def step(cell: str, weights: Weights, x: Array, state: State) -> tuple[Array, State]:
    """One time, through all layers."""
    after: State = []
    for layer, before in enumerate(state):
        x, kept = CELLS[cell](layer_weights(weights, layer), x, before)
        after.append((x, kept))
    return x, after


class Reading:
    """A model of a spec with its weights."""

    def __init__(self, model: Mapping[str, Any], weights: Weights) -> None:
        self.said, self.weights = model, weights
        self.cell = model.get("cell", "lstm")
        self.layers, self.width = model["layers"], model["width"]
        self.output = model.get("projection") or self.width
        table = model["embedding"]
        self.tied = isinstance(table, dict) and table.get("tied", False)

    def head(self, x: Array) -> Array:
        """(T, C) -> (T, V)"""
        table = "token_embedding.weight" if self.tied else "head.weight"
        bias = self.weights.get("head_bias" if self.tied else "head.bias", 0.0)
        made: Array = x @ self.weights[table].T + bias
        return made

    def nothing(self) -> State:
        """The first state."""
        return [(np.zeros(self.output), np.zeros(self.width)) for _ in range(self.layers)]

    def logits(self, tokens: Array, source: Array | None = None) -> Array:
        """(T, V), of the tokens of one row (T,), and of its source (S,)."""
        values, state = (None, self.nothing()) if source is None else self.encoded(source)
        embedded = self.weights["token_embedding.weight"][tokens]
        said = self.attention if source is not None else None
        joined, made = np.zeros(self.output), []
        for token in embedded:
            inputs = [token]
            if said and self.before:
                inputs.append(self.seen(state[-1][0], values))
            elif said and said.get("input_feeding"):
                inputs.append(joined)
            x, state = step(self.cell, part_of(self.weights, "rnn"), np.concatenate(inputs), state)
            if said and self.before:
                made.append(np.concatenate([x, inputs[1], token]))
            elif said:
                both = np.concatenate([self.seen(x, values), x])
                joined = np.tanh(self.weights["join.weight"] @ both)
                made.append(joined)
            else:
                made.append(x)
        return self.head(np.array(made))

    def encoded(self, source: Array) -> tuple[Array, State]:
        """What each place of a source says (S, E), and the decoder's first state."""
        own = self.said.get("encoder", {})
        tables = ("encoder.token_embedding.weight", "token_embedding.weight")
        x = self.weights[next(name for name in tables if name in self.weights)][source]
        width, cells = own.get("width", self.width), part_of(self.weights, "encoder.rnn")
        x, ends = self.read(cells, x, (width, width), both=own.get("bidirectional", False))
        return x, [(self.bridge("hidden", h), self.bridge("cell", c)) for h, c in ends]

    def read(
        self, cells: Weights, x: Array, widths: tuple[int, int], *, both: bool
    ) -> tuple[Array, State]:
        """What all layers say of each place (S, E), and with which states they end."""
        ends: State = []
        for layer in range(self.layers):
            ways = []
            for way in ("", "_reverse")[: 1 + both]:
                weights = layer_weights(cells, layer, way)
                state = (np.zeros(widths[0]), np.zeros(widths[1]))
                row, outputs = x[::-1] if way else x, []
                for one in row:
                    state = CELLS[self.cell](weights, one, state)
                    outputs.append(state[0])
                ways.append((np.array(outputs[::-1] if way else outputs), state))
            x = np.concatenate([outputs for outputs, _ in ways], -1)
            last = [np.concatenate(part) for part in zip(*(s for _, s in ways), strict=True)]
            ends.append((last[0], last[1]))
        return x, ends

    def scores(self, tokens: Array, *, of_tokens: bool = False) -> Array:
        """(classes,), of one whole text (T,), or (T, classes) of its tokens."""
        x = self.weights["token_embedding.weight"][tokens]
        both = self.said.get("bidirectional", True)
        cells, widths = part_of(self.weights, "rnn"), (self.output, self.width)
        x, ends = self.read(cells, x, widths, both=both)
        if of_tokens:
            return self.head(x)
        kind = self.said.get("pooling", "mean")
        return self.head({"mean": x.mean(0), "max": x.max(0), "last": ends[-1][0]}[kind])

    def bridge(self, name: str, state: Array) -> Array:
        """From the encoder's states to the decoder's; what is kept is not squashed."""
        weights = part_of(self.weights, f"encoder.{name}_bridge")
        if not weights:
            return state if name == "hidden" or self.cell == "lstm" else np.zeros(self.width)
        made: Array = weights["weight"] @ state + weights["bias"]
        return np.tanh(made) if name == "hidden" else made

    @property
    def attention(self) -> dict[str, Any] | None:
        """How the source is looked at, written out."""
        said = self.said.get("attention", {})
        said = {"score": said} if isinstance(said, str) else said
        return None if said is None or said.get("score") == "none" else said

    @property
    def before(self) -> bool:
        """Whether what is seen is read by the cell."""
        said = self.attention or {}
        score = said.get("score", "additive")
        return bool(said.get("place", "before" if score == "additive" else "after") == "before")

    def seen(self, state: Array, values: Array) -> Array:
        """What one state sees of a source (S, E)."""
        own = part_of(self.weights, "attention")
        score = (self.attention or {}).get("score", "additive")
        if score == "dot":
            scores = values @ state
        elif score == "bilinear":
            scores = (values @ own["k_proj.weight"].T) @ state
        else:
            query = own["q_proj.weight"] @ state + own["q_proj.bias"]
            scores = np.tanh(values @ own["k_proj.weight"].T + query) @ own["score.weight"][0]
        made: Array = softmax(scores) @ values
        return made
