"""Models of random specs compute what the oracle reads out of their plans."""

from __future__ import annotations

import math
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from codegen.plan import Plan, lower
from codegen.plan.network import TransformerNetwork
from codegen.plan.parts import LayerPlan
from codegen.spec import load_spec
from tests import oracle
from tests.packages import import_model
from tests.strategies import specs

ROOT = Path(__file__).parents[2]
EXACT = 1e-9  # of the largest logit, in float64
SINGLE = 1e-5  # of the largest logit, in float32,
CALM = 2e-6  # where the oracle's own float32 is this close to its float64
ROUND = 1e-6  # of the largest loss, where it is float32
DECIDED = 1e-4  # by which a router's choice must be made
REDRAWS = 50
BATCH = 3
# Seeds, and draws of each: the draws of one seed are variations of each other.
FAST, FAST_DRAWS = 12, 25
LONG, LONG_DRAWS = 60, 50


SHRUNK = {
    "gpt": ["d_model=24", "attention.heads=3", "layers=3"],
    "gpt_char": ["d_model=24", "attention.heads=3", "layers=3"],
    "llama": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.head_dim=8",
        "attention.rope.scaling.original_context_length=16",
        "mlp.d_ff=40",
        "layers=3",
    ],
    "mistral": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.mask=causal & window(5)",
        "mlp.d_ff=40",
        "layers=3",
    ],
    "gemma_like": [
        "d_model=24",
        "attention.head_dim=8",
        "mlp.d_ff=40",
        "blocks.local.attention.mask=causal & window(5)",
        "layers={pattern: [local, local, global], repeat: 1}",
    ],
    "char_modern": ["d_model=24", "attention.heads=3", "layers=3"],
    "streaming": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "attention.mask=causal & (window(5) | sink(2))",
        "mlp.d_ff=40",
        "layers=2",
    ],
    "prefix_lm": ["d_model=24", "attention.heads=3", "mlp.d_ff=40", "layers=2"],
    "packed_documents": [
        "d_model=24",
        "attention.heads=6",
        "attention.kv_heads=2",
        "mlp.d_ff=40",
        "layers=2",
    ],
    "deepseek_v3": [
        "d_model=24",
        "attention.heads=3",
        "attention.latent={q_rank: 6, kv_rank: 8, nope_dim: 6, rope_dim: 4, value_dim: 5}",
        "attention.rope.scaling.original_context_length=8",
        "mlp.d_ff=40",
        "mlp.experts={count: 8, active: 3, d_ff: 12, shared: {d_ff: 12}}",
        "mlp.experts.router={groups: 4, active_groups: 2}",
        "layers=[dense, sparse, sparse]",
    ],
    "longformer_like": [
        "d_model=24",
        "attention.heads=3",
        "attention.mask=causal & (window(5) | global(2))",
        "mlp.d_ff=40",
        "layers=2",
    ],
}

TASK_MASKS = {"masked-lm": "padding"}

Spec = dict[str, Any]


def settings(draws: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=draws,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # shrinking takes minutes: each draw makes a package
        report_multiple_bugs=False,
    )


def plan_of(spec: Spec) -> Plan:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spec.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        return lower(load_spec(path, path.parent))


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """The precision of what a model makes for itself, such as rotary angles."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class UndecidedError(Exception):
    """A router chose by so little that rounding may choose otherwise."""


class Trial:
    """A generated model and the oracle's weights, the same, and tokens to give to both."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.random = np.random.default_rng(seed)
        with tempfile.TemporaryDirectory() as folder:
            code = import_model(plan, Path(folder))
        attention = sys.modules.get(code.__name__.replace(".model", ".attention"))
        if attention is not None:
            tile = self.random.choice([4, 8])  # toy sequences have several tiles
            vars(attention)["TILE"] = int(tile)
        self.model = code.Model(code.Config()).eval().double()
        self.weights = {p.name: self.weight(p.role, p.shape) for p in plan.model.parameters}
        config = oracle.fields(plan.model)
        self.time, self.vocabulary = config["context_length"], config["vocab_size"]
        read = self.vocabulary + int(config.get("extra_tokens", 0))
        self.tokens = self.random.integers(0, read, (BATCH, self.time))
        self.masks = [layer.mask for layer in plan.model.layers]
        assert set(plan.model.inputs) == oracle.inputs_read(self.masks)
        types = [] if plan.model.decodes else plan.model.embedding.types
        self.inputs = self.kept(
            document_ids=self.documents(),
            prefix_lengths=self.random.integers(0, self.time + 1, BATCH),
            lengths=self.random.integers(1, self.time + 1, BATCH),
        )
        for name in types:
            drawn = self.random.integers(0, config[f"{name}_types"], self.tokens.shape)
            self.inputs[f"{name}_types"] = drawn
        self.logits = self.oracle_logits(self.inputs)
        self.rounding = self.oracle_rounding()
        by_hand = any(attention.score.by_hand for attention in plan.model.attentions)
        by_hand |= bool(plan.model.experts)
        # A softmax by hand is float32 whatever the weights are, and so are routers.
        self.exact = max(SINGLE, 4 * self.rounding) if by_hand else EXACT

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

    def kept(self, **inputs: oracle.Array) -> dict[str, oracle.Array]:
        """Those that the masks read."""
        return {name: value for name, value in inputs.items() if name in self.plan.model.inputs}

    def documents(self) -> oracle.Array:
        """(batch, time): runs of one id; ids are no order."""
        ends = self.random.random((BATCH, self.time)) < 0.2
        return self.random.permutation(self.time + 1)[np.cumsum(ends, axis=1)]

    def given(self, inputs: dict[str, oracle.Array]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(value) for name, value in inputs.items()}

    def weight(self, role: str, shape: tuple[int, ...]) -> oracle.Array:
        """Nothing left at zero or one, where a mistake could hide; float32 holds it exactly."""
        mean, std = (1.0, 0.2) if role == "norm" else (0.0, 0.3)
        return self.random.normal(mean, std, shape).astype(np.float32).astype(np.float64)

    def load(self) -> None:
        state = {name: torch.from_numpy(weight) for name, weight in self.weights.items()}
        found, unknown = self.model.load_state_dict(state, strict=False)
        assert not unknown and set(found) <= {"head.weight"}  # where it is tied

    def assert_close(self, ours: torch.Tensor, wanted: oracle.Array, tolerance: float) -> None:
        assert ours.shape == wanted.shape
        worst, largest = np.abs(ours.numpy() - wanted).max(), np.abs(wanted).max()
        assert worst <= tolerance * largest, f"{worst:.3g} apart, of {largest:.3g}"


def check_parameters(trial: Trial) -> None:
    """The table is the module's, name by name, and says how `init_weights` leaves it."""
    table, parameters = trial.plan.model.parameters, dict(trial.model.named_parameters())
    assert {p.name: p.shape for p in table} == {n: tuple(p.shape) for n, p in parameters.items()}
    trial.model.init_weights()
    for row in table:
        values, init = parameters[row.name].detach(), row.init
        if init.kind == "normal":
            bound = 6 * init.std / math.sqrt(row.count)  # of the mean; more than of the std
            assert abs(values.mean()) < bound and abs(values.std(correction=0) - init.std) < bound
        else:
            start = {"ones": 1, "zeros": 0, "constant": init.value}[init.kind]
            assert bool((values == start).all()), row.name


def check_logits(trial: Trial) -> None:
    tokens, inputs = torch.from_numpy(trial.tokens), trial.given(trial.inputs)
    trial.assert_close(trial.model(tokens, **inputs), trial.logits, trial.exact)
    # A LayerNorm over two numbers is their order, over three little more: where they are close,
    # rounding decides.
    attentions = {b.class_name: b.attention for b in trial.plan.model.blocks}
    norms = [(attentions[la.block].qk_norm, la.head_dim) for la in trial.plan.model.layers]
    narrow = [p for p in trial.plan.model.parameters if p.role == "norm" and p.shape[-1] < 4]
    steady = not narrow and not any(n and n.kind == "layer" and dim == 2 for n, dim in norms)
    if trial.rounding <= CALM and steady:
        trial.model.float()
        with default_dtype(torch.float32):
            trial.assert_close(trial.model(tokens, **inputs), trial.logits, SINGLE)
        trial.model.double()  # the weights are float32 numbers: nothing is lost


def check_loss(trial: Trial) -> None:
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
        trial.assert_close(
            ours,
            np.asarray(wanted),
            trial.exact if ours.dtype == torch.float64 else max(ROUND, trial.exact),
        )
        if reduction == "mean":
            assert torch.equal(trial.model(*given_to_model, **inputs), ours)


def prompts_at_least(masks: list[str]) -> int:
    """A fixed prefix is part of every prompt."""
    fixed = [int(n) for mask in masks for n in re.findall(r"prefix\((\d+)\)", mask)]
    return max([1, *fixed])


def decoded(trial: Trial, lengths: oracle.Array) -> tuple[dict[str, oracle.Array], oracle.Array]:
    """What the masks read, and logits, of rows that begin with prompts of these lengths.

    What follows a prompt belongs to its last document, is no part of its prefix, and makes the
    row longer.
    """
    time = np.arange(trial.time)
    ids = np.take_along_axis(trial.documents(), np.minimum(time, lengths[:, None] - 1), axis=1)
    prefixes = trial.random.integers(0, lengths + 1)
    grown = np.maximum(time + 1, lengths[:, None])
    inputs = trial.kept(document_ids=ids, prefix_lengths=prefixes, lengths=grown)
    wanted = trial.oracle_logits(inputs)
    return {name: value for name, value in inputs.items() if name != "lengths"}, wanted


def check_decoding(trial: Trial) -> None:
    """Prompts of different length, then token by token until the longest fills the context."""
    shortest = prompts_at_least(trial.masks)
    longest = int(trial.random.integers(shortest, trial.time))
    lengths = trial.random.integers(shortest, longest + 1, BATCH)
    lengths[trial.random.integers(BATCH)] = longest
    rows, tokens = np.arange(BATCH), torch.from_numpy(trial.tokens)
    prompts = tokens[:, :longest].clone()
    inputs, wanted = decoded(trial, lengths)
    for row, length in enumerate(lengths):  # what stands behind a prompt has no say
        prompts[row, length:] = int(trial.random.integers(trial.vocabulary))
        if "document_ids" in inputs and trial.random.random() < 0.5:
            inputs["document_ids"][row, length:] = trial.time + 1
    if "document_ids" in inputs:
        inputs["document_ids"] = inputs["document_ids"][:, :longest]
    given = trial.given(inputs)
    cache = trial.model.new_cache(BATCH, trial.time)
    ours = trial.model.prefill(prompts, cache, torch.from_numpy(lengths), **given)
    trial.assert_close(ours, wanted[rows, lengths - 1], trial.exact)
    for step in range(trial.time - longest):
        ours = trial.model.decode(tokens[rows, lengths + step], cache)
        trial.assert_close(ours, wanted[rows, lengths + step], trial.exact)

    inputs, wanted = decoded(trial, np.full(BATCH, longest))
    if "document_ids" in inputs:
        inputs["document_ids"] = inputs["document_ids"][:, :longest]
    # Rotary positions may be stretched by how long a sequence can become.
    by_length = any(rope.by_length for rope in trial.plan.model.ropes)
    cache = trial.model.new_cache(BATCH, trial.time if by_length else longest + 1)
    ours = trial.model.prefill(tokens[:, :longest], cache, **trial.given(inputs))
    trial.assert_close(ours, wanted[:, longest - 1], trial.exact)
    ours = trial.model.decode(tokens[:, longest], cache)
    trial.assert_close(ours, wanted[:, longest], trial.exact)


def check_all(plan: Plan, seed: int) -> None:
    """Draws whose routers are undecided are drawn again."""
    for redraw in range(REDRAWS):
        try:
            return check_trial(plan, seed + redraw)
        except UndecidedError:
            assert plan.model.experts
    raise AssertionError(f"{REDRAWS} draws, and no router knew what to choose")


def check_trial(plan: Plan, seed: int) -> None:
    with torch.no_grad(), default_dtype(torch.float64):
        trial = Trial(plan, seed)
        torch.manual_seed(seed)
        check_parameters(trial)
        trial.load()
        check_logits(trial)
        check_loss(trial)
        if plan.model.decodes:
            check_decoding(trial)


def said(model: Spec, kind: str | None, part: str) -> Spec:
    """The fields of a block kind's attention, mlp or norm: the kind's own over the model's."""
    whole: Spec = {}
    for value in (model.get(part, {}), model["blocks"][kind].get(part, {}) if kind else {}):
        fields = {"kind": value} if isinstance(value, str) else dict(value)
        if fields.get("relative_bias") == "t5":  # a mapping that says nothing itself
            fields["relative_bias"] = {}
        for name in ("qk_norm", "rope", "relative_bias"):  # mappings themselves
            if isinstance(fields.get(name), dict) and isinstance(whole.get(name), dict):
                fields[name] = {**whole[name], **fields[name]}
            if name == "qk_norm" and fields.get(name) in ("rms", "layer"):
                before = whole.get(name) if isinstance(whole.get(name), dict) else {}
                fields[name] = {**before, "kind": fields[name]}
        if isinstance(fields.get("experts"), dict) and isinstance(whole.get("experts"), dict):
            fields["experts"] = laid_over(whole["experts"], fields["experts"])
        whole |= fields
    return whole


def laid_over(low: Spec, high: Spec) -> Spec:
    """A mapping over another, and mappings in it over those there."""
    both = [n for n in high if isinstance(high[n], dict) and isinstance(low.get(n), dict)]
    return {**low, **high, **{name: laid_over(low[name], high[name]) for name in both}}


def check_ends(model: Spec, net: TransformerNetwork) -> None:
    """Norms outside the blocks have the eps that docs/spec.md says."""
    eps = said(model, None, "norm").get("eps", 1e-5)
    own = model.get("final_norm", True)
    places = [(own, net.norm), (model["embedding"].get("norm", False), net.embedding.norm)]
    if net.head.transform:
        places.append((model["head"]["transform"].get("norm", True), net.head.transform.norm))
    for own, norm in places:
        assert (norm is None) == (own is False)
        if norm is not None:
            wanted = own.get("eps", eps) if isinstance(own, dict) else eps
            assert oracle.end_eps(net, norm) == wanted


def check_numbers(model: Spec, net: TransformerNetwork, task: str) -> None:
    """Each layer's numbers in the plan are those that docs/spec.md says, read from the mapping."""
    check_ends(model, net)
    order = model["layers"]
    times: Any = 1
    if isinstance(order, dict):
        order, times = order["pattern"], order.get("repeat", order)
    elif isinstance(order, int):
        order = [next(iter(model.get("blocks", {})), None)] * order
    runs = [run if isinstance(run, dict) else {run: 1} for run in order]
    order = [kind for run in runs for kind, n in run.items() for _ in range(n)]
    if isinstance(times, dict):  # the pattern goes on until there are so many
        order = [order[n % len(order)] for n in range(times.get("count", len(order)))]
    else:
        order = order * times
    assert len(order) == len(net.layers)
    width = model["d_model"]
    for index, (kind, layer) in enumerate(zip(order, net.layers, strict=True)):
        attention, mlp, norm = (said(model, kind, part) for part in ("attention", "mlp", "norm"))
        heads = attention["heads"]
        latent = attention.get("latent")
        head_dim = attention.get("head_dim") or width // heads
        head_dim = latent["nope_dim"] + latent["rope_dim"] if latent else head_dim
        plain = mlp.get("kind") == "plain"
        d_ff = mlp.get("d_ff") or (4 * width if plain else math.ceil(8 * width / 3 / 64) * 64)
        kv_heads = attention.get("kv_heads") or heads
        assert (layer.heads, layer.kv_heads, layer.head_dim) == (heads, kv_heads, head_dim)
        experts = mlp.get("experts", "none")
        if experts == "none":
            assert layer.d_ff == d_ff
        else:
            check_experts(layer, experts, d_ff)
        check_latent(layer, latent)
        value_dim = latent["value_dim"] if latent else attention.get("value_dim") or head_dim
        assert layer.value_dim == value_dim
        assert not attention.get("value_scale") or layer.numbers["value_scale"] == 0.7
        assert layer.mask == attention.get("mask", TASK_MASKS.get(task, "causal"))
        placed = model.get("embedding", {}).get("positions", "none") != "none"
        rope = attention.get("rope", "none" if placed else {})
        assert layer.rope_theta == (None if rope == "none" else rope.get("theta", 10_000))
        eps = norm.get("eps", 1e-5)
        assert oracle.norm_eps(net, index) == eps
        cap = oracle.layer_number(net, "attention_softcap", "attention_softcaps", index)
        assert cap == attention["softcap"] if attention.get("softcap") else True
        check_relative_bias(net, index, attention.get("relative_bias", "none"))
        qk_norm = attention.get("qk_norm", "none")
        if qk_norm != "none":
            found = oracle.layer_number(net, "qk_norm_eps", "qk_norm_epsilons", index)
            wanted = qk_norm.get("eps") if isinstance(qk_norm, dict) else None
            assert (found or oracle.norm_eps(net, index)) == (wanted or eps)
        sizes_by_name = {"d_model": width, "layers": len(order), "d_ff": d_ff, "heads": heads}
        names = {**sizes_by_name, "head_dim": head_dim, "vocab_size": model["vocab_size"]}
        scale = attention.get("scale") or "1 / sqrt(head_dim)"
        value = oracle.layer_number(net, "attention_scale", "attention_scales", index)
        expected = eval(str(scale), {"sqrt": math.sqrt}, names)
        assert math.isclose(value or head_dim**-0.5, expected)


def check_experts(layer: LayerPlan, experts: Spec, d_ff: int) -> None:
    number, router, width = layer.numbers, experts["router"], experts.get("d_ff") or d_ff
    found = (number["experts"], number["active_experts"], number["expert_d_ff"])
    assert found == (experts["count"], experts["active"], width)
    if experts.get("shared", "none") != "none":
        assert number["shared_d_ff"] == (experts["shared"].get("d_ff") or width)
    if router["groups"] > 1:
        groups = (number["expert_groups"], number["active_groups"])
        assert groups == (router["groups"], router["active_groups"])
    if "scale" in router:
        assert number["route_scale"] == router["scale"]


def check_latent(layer: LayerPlan, latent: Spec | None) -> None:
    found = layer.latent
    assert (found is None) == (latent is None)
    if latent and found:
        sizes = (found.q_rank, found.kv_rank, found.nope_dim, found.rope_dim, layer.value_dim)
        wanted = ("kv_rank", "nope_dim", "rope_dim", "value_dim")
        assert sizes == (latent.get("q_rank", 0), *(latent[name] for name in wanted))


def check_relative_bias(net: TransformerNetwork, index: int, bias: Any) -> None:
    (block,) = (b for b in net.blocks if b.class_name == net.layers[index].block)
    assert block.attention.score.relative_bias == (bias != "none")
    if bias != "none":
        wanted = {"buckets": 32, "max_distance": 128, "shared": False} | bias
        names = ("relative_max_distance", "relative_max_distances")
        assert oracle.layer_number(net, *names, index) == wanted["max_distance"]
        rows = {p.name: p.shape for p in net.parameters}
        own = "" if wanted["shared"] else f"blocks.{index}.attention."
        table = rows[f"{own}bias_table"]
        assert table == (wanted["buckets"], net.layers[index].heads)


@settings(300)
@hypothesis.seed(0)
@given(specs())
def test_the_numbers_of_a_plan_are_its_specs(spec: Spec) -> None:
    check_numbers(spec["model"], plan_of(spec).model, spec.get("task", "causal-lm"))


SMALL = {"vocab_size": 11, "context_length": 16, "d_model": 8, "attention": {"heads": 2}}


def test_a_block_kinds_eps_is_not_the_final_norms() -> None:
    blocks = {"local": {"norm": {"eps": 0.1}}}
    model = {**SMALL, "layers": 1, "norm": {"eps": 1e-5}, "blocks": blocks}
    net = plan_of({"name": "drawn_model", "model": model}).model
    assert net.norm and oracle.end_eps(net, net.norm) == 1e-5


def test_a_layer_without_rotary_positions_has_any_head_dim() -> None:
    blocks = {"local": {"attention": {"rope": "none", "head_dim": 6}}, "global": {}}
    model = {**SMALL, "layers": ["local", "global"], "blocks": blocks}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_what_rows_say_is_told_apart_whichever_layer_reads_it_first() -> None:
    blocks = {
        "local": {"attention": {"mask": "causal & padding"}},
        "global": {"attention": {"mask": "prefix | causal"}},
    }
    model = {**SMALL, "layers": ["local", "global"], "blocks": blocks}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


def test_keys_that_only_earlier_queries_would_see_take_no_place_in_a_cache() -> None:
    attention = {"heads": 2, "mask": "causal & (~(q != 4 | window(5, 3)))"}
    model = {**SMALL, "layers": 1, "attention": attention}
    check_all(plan_of({"name": "drawn_model", "model": model}), seed=0)


SEEDS = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small only lose by sharing the work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", SHRUNK)
def test_a_known_model_computes_what_its_plan_says(name: str) -> None:
    sizes = ["vocab_size=29", "context_length=20", *SHRUNK[name]]
    overrides = [f"model.{size}" for size in sizes]
    settings = ["train.context=8", "checkpoint={huggingface: }"]
    plan = lower(load_spec(ROOT / f"specs/{name}.yaml", ROOT, [*overrides, *settings]))
    check_all(plan, seed=0)


def check_drawn(seed: int, draws: int) -> None:
    @hypothesis.seed(seed)
    @settings(draws)
    @given(specs(), SEEDS)
    def draw(spec: Spec, weights: int) -> None:
        check_all(plan_of(spec), weights)

    draw()


@pytest.mark.parametrize("seed", range(FAST))
def test_drawn_models_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, FAST_DRAWS)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(FAST, FAST + LONG))
def test_three_thousand_drawn_models_compute_what_their_plans_say(seed: int) -> None:
    check_drawn(seed, LONG_DRAWS)
