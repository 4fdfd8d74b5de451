"""How `init_weights` starts each parameter: the rules, and the table of what deviates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codegen.plan.suffixes import SuffixRule, suffix_rules
from codegen.plan.tables import InitPlan, Parameter, Start
from codegen.plan.transformer.parameter_rows import normal
from codegen.spec.transformer.vocabulary import TransformerModel

KINDS = (
    "kaiming",
    "zeros",
    "constant",
    "ones",
    "normal",
)  # as rules that don't depend on each other follow
SOURCES = {
    "layer_scale": "layer_scale",
    "embedding_std": "standard deviation embedding_std",
    "fan_in": "1 / sqrt(inputs): vectors keep their size",
    "residual_std": "init_std / sqrt(2 * layers) (GPT-2, section 2.3)",
}
REASONS = {  # of what starts at zero
    "norm weights": "the gain is 1 + weight",
    "token_shift": "at first no token sees the one before it here",
    "o_proj, down_proj": "every block starts as the identity",
    "head": "all {targets} start equally likely",
    "distillation_head": "all {targets} start equally likely",
    "grid_bias": "at first no place is nearer than another",
    "alpha_p, alpha_n": "softplus makes slopes of them",
}
ADDED = {  # to frozen weights
    "lora_a": "uniform, as nn.Linear's own weights",
    "lora_b": "zero: at first nothing is added",
    "magnitude": "the length of each row of the weight",
}
TOGETHER = {
    "norm": "norm weights",
    "layer_scale": "layer scales",
    "lambda": "lambdas",
    **dict.fromkeys(("o_proj", "down_proj"), "o_proj, down_proj"),
    **dict.fromkeys(("alpha_p", "alpha_n"), "alpha_p, alpha_n"),
}


def init_plan(
    parameters: Iterable[Parameter], model: TransformerModel, *, pooled: bool = False
) -> InitPlan:
    """Rules that give each parameter the start that the parameter table says, and their table."""
    rows = sorted(parameters, key=lambda row: KINDS.index(row.init.kind))
    starts = {row.name: row.init for row in rows}
    rules = suffix_rules(starts, otherwise=normal(model))
    targets = "classes" if model.image or pooled else "tokens"
    table = {what: how.format(targets=targets) for what, how in _table(rows, rules)}
    return InitPlan(rules, tuple(table.items()))


def _table(
    rows: Iterable[Parameter], rules: Iterable[SuffixRule[Start]]
) -> Iterator[tuple[str, str]]:
    """What starts otherwise than the rest and how, in the rules' order; twice where it is mixed."""
    told: dict[str, list[str]] = {}
    for rule in rules:
        for what in dict.fromkeys(_words(row) for row in rows if row.init == rule.fact):
            told.setdefault(what, []).append(_how(what, rule.fact))
    for what, ways in told.items():
        yield what, "; or ".join(ways)


def _words(row: Parameter) -> str:
    """What people call a parameter, alone or with its like."""
    if row.init.source == "embedding_std":
        return "embeddings"
    if row.role.endswith("bias") and row.role not in ("grid_bias", "correction_bias"):
        return "biases"
    return TOGETHER.get(row.role, row.role)


def _how(what: str, start: Start) -> str:
    if what in ADDED:
        return ADDED[what]
    if start.kind == "ones":
        return "one"
    if start.kind == "zeros":
        return f"zero: {REASONS[what]}" if what in REASONS else "zero"
    return SOURCES[start.source] if start.source else f"standard deviation {start.std}"
