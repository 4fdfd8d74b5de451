"""How `init_weights` starts each parameter."""

from __future__ import annotations

import re

from codegen.plan.tables import InitPlan, InitRule
from codegen.plan.transformer.block_parameters import LAMBDA_STD, LAMBDAS
from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parameter_rows import ONES
from codegen.spec.transformer.vocabulary import TransformerModel


def _gain_rules(network: TransformerNetwork) -> list[InitRule]:
    """How norms' weights start: those of the stream, and before them the others that differ."""
    gains = [p for p in network.parameters if p.role == "norm"]
    if not gains:
        return []
    ours = [p.init for p in gains if _inner(p.name) in ("norm.weight", "attention_norm.weight")]
    main = ours[0] if ours else ONES
    others = {_inner(p.name): p.init.kind for p in gains if p.init != main}
    rules = [InitRule(tuple(sorted(others)), next(iter(others.values())))] if others else []
    return [*rules, InitRule(("norm.weight",), main.kind)]


def _inner(name: str) -> str:
    """The end of a norm's name that tells it from the stream's: `q_norm.weight`."""
    return re.sub(r"^.*\.(?=(mlp\.norm|\w+_norm)\.weight$)", "", name)


def init_plan(network: TransformerNetwork, model: TransformerModel) -> InitPlan:
    """The rules of init_weights, first match wins, and the table of deviations from init_std."""
    roles = {parameter.role for parameter in network.parameters}
    residual = ("o_proj.weight", "down_proj.weight", *["experts.down_proj"][: len(network.experts)])
    zeros: list[str] = []
    rules, table = [], []
    if any(parameter.name.endswith("bias") for parameter in network.parameters):
        zeros.append("bias")
        table.append(("biases", "zero"))
    if network.embedding.token_shift:
        zeros.append("token_shift")
        table.append(("token_shift", "zero: at first no token sees the one before it here"))
    if network.init.residual == "zero":
        zeros += residual
        table.append(("o_proj, down_proj", "zero: every block starts as the identity"))
    if network.init.head == "zero" and not network.head.tied:
        zeros.append("head.weight")
        table.append(("head", "zero: all tokens start equally likely"))
    if "grid_bias" in roles:
        zeros.append("grid_bias.table")
        table.append(("grid_bias", "zero: at first no place is nearer than another"))
    if "alpha_p" in roles:
        zeros += ["alpha_p", "alpha_n"]
        table.append(("alpha_p, alpha_n", "zero: softplus makes slopes of them"))
    if zeros:
        rules.append(InitRule(tuple(zeros), "zeros"))
    if "layer_scale" in roles:
        rules.append(InitRule(("layer_scale",), "constant", value="self.config.layer_scale"))
        table.append(("layer scales", "layer_scale"))
    rules += _gain_rules(network)
    if rules and any(parameter.role == "norm" for parameter in network.parameters):
        words = {"zeros": "zero: the gain is 1 + weight", "ones": "one"}
        kinds = dict.fromkeys(rule.kind for rule in _gain_rules(network))
        table.append(("norm weights", "; or ".join(words[kind] for kind in kinds)))
    if "lambda" in roles:
        rules.append(InitRule(LAMBDAS, "normal", str(LAMBDA_STD)))
        table.append(("lambdas", f"standard deviation {LAMBDA_STD}"))
    if network.init.residual == "scaled":
        rules.append(InitRule(residual, "normal", "residual_std"))
        reason = "init_std / sqrt(2 * layers) (GPT-2, section 2.3)"
        table.append(("o_proj, down_proj", reason))
    if model.init.embedding_std is not None:
        rules.append(InitRule(("embedding.weight",), "normal", "self.config.embedding_std"))
        table.append(("embeddings", "standard deviation embedding_std"))
    return InitPlan(network.init.residual, network.init.head, tuple(rules), tuple(table))
