"""What training does for the routers of a network, beside what its loss does."""

from __future__ import annotations

from codegen.plan.techniques.technique import TechniquePlan
from codegen.plan.transformer.network import TransformerNetwork

FOLDER = "transformer/train"


def router_techniques(network: TransformerNetwork) -> tuple[TechniquePlan, ...]:
    """The routers' loss of a whole batch, and their correction by the loads of one."""
    found = []
    if network.counts_choices:
        balance = {"functions": "router_loads", "batches": "loads", "loss": "balance"}
        found.append(_technique("balance", **balance))
    elif network.router_losses:
        found.append(_technique("router_z_loss", batches="tokens", loss="z_loss"))
    if network.corrected:
        found.append(_technique("correction", step="correct"))
    return tuple(found)


def _technique(name: str, **parts: str) -> TechniquePlan:
    templates = {place: f"{FOLDER}/{part}.py.jinja" for place, part in parts.items()}
    return TechniquePlan(name, templates, draws=False)
