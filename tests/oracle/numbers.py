"""Numbers of a Plan at true size, read from the fields of its config."""

from __future__ import annotations

from typing import Any

from codegen.plan.transformer.network import TransformerNetwork
from codegen.plan.transformer.parts import NormPlan


def fields(net: TransformerNetwork) -> dict[str, Any]:
    """The config's values at true size."""
    return {field.name: field.value for field in net.fields}


def number(net: TransformerNetwork, name: str) -> float:
    return float(fields(net)[name])


def layer_number(net: TransformerNetwork, name: str, plural: str, layer: int) -> float | None:
    """A layer's number: of the one field for all, else of its own; None where there is neither."""
    values = fields(net)
    value = values.get(name, values.get(plural))
    value = value[layer] if isinstance(value, tuple) else value
    return None if value is None else float(value)


def norm_eps(net: TransformerNetwork, layer: int) -> float:
    eps = layer_number(net, "norm_eps", "norm_epsilons", layer)
    assert eps is not None
    return eps


def end_eps(net: TransformerNetwork, plan: NormPlan) -> float:
    """Of a norm outside the blocks, which names its field as the whole config does."""
    alone = {whole: own for own, whole in net.renamed_fields.items()}
    return number(net, alone.get(plan.eps.field, plan.eps.field))


def inner_eps(net: TransformerNetwork, name: str, index: int) -> float:
    """Of a norm inside a sublayer: its own, or that of the block's norms."""
    own = layer_number(net, f"{name}_eps", f"{name}_epsilons", index)
    return norm_eps(net, index) if own is None else own
