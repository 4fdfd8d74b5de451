"""A language model computes what the oracle does: whole, in float32, its loss, and decoding."""

from __future__ import annotations

import re

import numpy as np
import torch
from hypothesis import reject

from codegen.plan import Plan
from tests import oracle
from tests.parity.reading import Reading
from tests.parity.trial import BATCH, EXACT, SINGLE, Trial, check_parameters, default_dtype

CALM = 2e-6  # where float32 moves the oracle's own logits no more
ROUND = 1e-6  # of the largest loss, where it is float32
DECIDED = 1e-4  # by which a router's choice must be made
REDRAWS = 50


class UndecidedError(Exception):
    """A router chose by so little that rounding may choose otherwise."""


class TextTrial(Trial):
    """A language model, and tokens to give to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        super().__init__(plan, seed)
        config = oracle.fields(plan.model)
        self.time, self.vocabulary = config["context_length"], config["vocab_size"]
        read = self.vocabulary + int(config.get("extra_tokens", 0))
        self.tokens = self.random.integers(0, read, (BATCH, self.time))
        self.masks = [layer.mask for layer in plan.model.attending]
        assert set(plan.model.inputs) == oracle.inputs_read(self.masks)
        types = [] if plan.model.decodes else plan.model.embedding.type_inputs
        self.inputs = self.kept(
            document_ids=self.documents(),
            prefix_lengths=self.random.integers(0, self.time + 1, BATCH),
            lengths=self.random.integers(1, self.time + 1, BATCH),
        )
        for name in types:
            self.inputs[name] = self.random.integers(0, config[name], self.tokens.shape)
        self.logits = self.oracle_logits(self.inputs)
        self.rounding = self.oracle_rounding()
        if self.exact == SINGLE or plan.model.experts:  # routers are float32 too
            self.exact = max(SINGLE, 4 * self.rounding)

    def oracle_logits(self, inputs: dict[str, oracle.Array]) -> oracle.Array:
        """In float64; UndecidedError where they hang on the last digits."""
        gaps: list[float] = []
        found = oracle.logits(self.plan, self.weights, self.tokens, inputs, gaps)
        if min(gaps, default=1.0) < DECIDED:
            raise UndecidedError
        return found

    def oracle_rounding(self) -> float:
        """How far the oracle's own float32 is from its float64, of the largest logit."""
        single = {name: weight.astype(np.float32) for name, weight in self.weights.items()}
        rounded = oracle.logits(self.plan, single, self.tokens, self.inputs)
        assert rounded.dtype == np.float32
        return float(np.abs(rounded - self.logits).max() / np.abs(self.logits).max())

    def calm(self) -> bool:
        """Whether float32 moves the logits little: computed in it, or its last digit of weights."""
        if self.rounding > CALM:
            return False
        random, last = np.random.default_rng(0), np.finfo(np.float32).eps / 2
        moved = {n: w * (1 + last * random.normal(size=w.shape)) for n, w in self.weights.items()}
        logits = oracle.logits(self.plan, moved, self.tokens, self.inputs)
        return bool(np.abs(logits - self.logits).max() <= CALM * np.abs(self.logits).max())

    def kept(self, **inputs: oracle.Array) -> dict[str, oracle.Array]:
        """Those that the masks read."""
        return {name: value for name, value in inputs.items() if name in self.plan.model.inputs}

    def documents(self) -> oracle.Array:
        """(batch, time): runs of one id; ids are no order."""
        ends = self.random.random((BATCH, self.time)) < 0.2
        return self.random.permutation(self.time + 1)[np.cumsum(ends, axis=1)]

    def given(self, inputs: dict[str, oracle.Array]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(value) for name, value in inputs.items()}


def check_logits(trial: TextTrial) -> None:
    tokens, inputs = torch.from_numpy(trial.tokens), trial.given(trial.inputs)
    trial.assert_close(trial.model(tokens, **inputs), trial.logits)
    # A LayerNorm over two numbers is their order, over three little more: where they are close,
    # rounding decides.
    attentions = {b.name: b.attention for b in trial.plan.model.blocks if b.attentions}
    norms = [(attentions[la.block].qk_norm, la.head_dim) for la in trial.plan.model.attending]
    narrow = [p for p in trial.plan.model.parameters if p.role == "norm" and p.shape[-1] < 4]
    steady = not narrow and not any(n and n.kind == "layer" and dim == 2 for n, dim in norms)
    if steady and trial.calm():
        trial.model.float()
        with default_dtype(torch.float32):
            trial.assert_close(trial.model(tokens, **inputs), trial.logits, SINGLE)
        trial.model.double()  # the weights are float32 numbers: nothing is lost


def check_loss(trial: TextTrial) -> None:
    targets = np.roll(trial.tokens, -1, axis=1)
    targets[trial.random.random(targets.shape) < 0.3] = oracle.IGNORED
    targets[0, 0] = trial.tokens[0, 0]
    targets[targets >= trial.vocabulary] = oracle.IGNORED  # read, and never predicted
    inputs = trial.given(trial.inputs)
    given_to_model = (torch.from_numpy(trial.tokens), torch.from_numpy(targets))
    for reduction in ("mean", "sum", "none"):
        wanted = oracle.loss(trial.logits, targets, reduction)
        ours = trial.model(*given_to_model, reduction=reduction, **inputs)
        # A soft-capped loss is float32 whatever the weights are.
        least = EXACT if ours.dtype == torch.float64 else ROUND
        trial.assert_close(ours, np.asarray(wanted), max(least, trial.exact))
        if reduction == "mean":
            assert torch.equal(trial.model(*given_to_model, **inputs), ours)


def prompts_at_least(masks: list[str]) -> int:
    """A fixed prefix is part of every prompt."""
    fixed = [int(n) for mask in masks for n in re.findall(r"prefix\((\d+)\)", mask)]
    return max([1, *fixed])


class Decoded:
    """Rows that begin with prompts of these lengths: what the masks read of them, and logits.

    What follows a prompt belongs to its last document, is no part of its prefix, and makes the
    row longer.
    """

    def __init__(self, trial: TextTrial, lengths: oracle.Array) -> None:
        self.trial, self.reading = trial, Reading(trial.plan.model, lengths, trial.time)
        time = np.arange(trial.time)
        ids = np.take_along_axis(trial.documents(), np.minimum(time, lengths[:, None] - 1), axis=1)
        prefixes = trial.random.integers(0, lengths + 1)
        grown = np.maximum(time + 1, lengths[:, None])
        self.read = trial.kept(document_ids=ids, prefix_lengths=prefixes, lengths=grown)
        self.given = {name: value.copy() for name, value in self.read.items() if name != "lengths"}
        self.logits = trial.oracle_logits({**self.read, **self.reading.inputs})

    def append(self, parts: oracle.Array) -> None:
        """The logits where each row has so many tokens more."""
        self.reading.append(parts)
        if self.reading.by_length:
            self.logits = self.trial.oracle_logits({**self.read, **self.reading.inputs})


def check_decoding(trial: TextTrial) -> None:
    """Prompts of different length, then token by token until the longest fills the context."""
    shortest = prompts_at_least(trial.masks)
    longest = int(trial.random.integers(shortest, trial.time))
    lengths = trial.random.integers(shortest, longest + 1, BATCH)
    lengths[trial.random.integers(BATCH)] = longest
    rows, tokens = np.arange(BATCH), torch.from_numpy(trial.tokens)
    prompts = tokens[:, :longest].clone()
    wanted = Decoded(trial, lengths)
    inputs = wanted.given
    for row, length in enumerate(lengths):  # what stands behind a prompt has no say
        prompts[row, length:] = int(trial.random.integers(trial.vocabulary))
        if "document_ids" in inputs and trial.random.random() < 0.5:
            inputs["document_ids"][row, length:] = trial.time + 1
    if "document_ids" in inputs:
        inputs["document_ids"] = inputs["document_ids"][:, :longest]
    given = trial.given(inputs)
    cache = trial.model.new_cache(BATCH, trial.time)
    ours = trial.model.prefill(prompts, cache, torch.from_numpy(lengths), **given)
    trial.assert_close(ours, wanted.logits[rows, lengths - 1])
    for step in range(trial.time - longest):
        ours = trial.model.decode(tokens[rows, lengths + step], cache)
        wanted.append(np.ones_like(lengths))
        trial.assert_close(ours, wanted.logits[rows, lengths + step])

    wanted = Decoded(trial, np.full(BATCH, longest))
    inputs = wanted.given
    if "document_ids" in inputs:
        inputs["document_ids"] = inputs["document_ids"][:, :longest]
    cache = trial.model.new_cache(BATCH, longest + 1)
    ours = trial.model.prefill(tokens[:, :longest], cache, **trial.given(inputs))
    trial.assert_close(ours, wanted.logits[:, longest - 1])
    ours = trial.model.decode(tokens[:, longest], cache)
    wanted.append(np.ones_like(lengths))
    trial.assert_close(ours, wanted.logits[:, longest])


def check_extending(trial: TextTrial) -> None:
    """Prompts of different length, then chunks of which rows get different parts, now and then."""
    shortest = prompts_at_least(trial.masks)
    longest = int(trial.random.integers(shortest, trial.time))
    lengths = trial.random.integers(shortest, longest + 1, BATCH)
    tokens = torch.from_numpy(trial.tokens)
    wanted = Decoded(trial, lengths)
    inputs = wanted.given
    if "document_ids" in inputs:
        inputs["document_ids"] = inputs["document_ids"][:, :longest]
    cache = trial.model.new_cache(BATCH, trial.time)
    given = trial.given(inputs)
    trial.model.prefill(tokens[:, :longest], cache, torch.from_numpy(lengths), **given)
    while room := trial.time - int(lengths.max()):
        time = int(trial.random.integers(1, room + 1))
        alike = trial.random.random() < 0.5
        parts = np.full(BATCH, time) if alike else trial.random.integers(0, time + 1, BATCH)
        parts[trial.random.integers(BATCH)] = time
        places = np.minimum(lengths[:, None] + np.arange(time), trial.time - 1)
        rows = np.arange(BATCH)[:, None]
        chunk = tokens[rows, places]
        ours = trial.model.extend(chunk, cache, None if alike else torch.from_numpy(parts))
        real = np.arange(time) < parts[:, None]
        wanted.append(parts)
        trial.assert_close(ours[torch.from_numpy(real)], wanted.logits[rows, places][real])
        lengths = lengths + parts
        assert cache.lengths.tolist() == lengths.tolist()


def check_all(plan: Plan, seed: int) -> None:
    """Draws whose routers are undecided are drawn again; a spec of which all are is left aside."""
    for redraw in range(REDRAWS):
        try:
            return check_trial(plan, seed + redraw)
        except UndecidedError:
            assert plan.model.experts
    reject()


def check_trial(plan: Plan, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = TextTrial(plan, seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.load()
        check_logits(trial)
        check_loss(trial)
        if plan.model.decodes:
            check_decoding(trial)
            check_extending(trial)
