"""Other heads of a type whose language model has a mapping file: `bert.embedding` follows from it.

A head is the file's own without what predicts tokens, and with what the part `heads` of the file,
or else `heads.yaml` beside this, says of the task. None of them has a file of its own.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from typing import Any

from codegen.importers.formula import parsed

LANGUAGE_MODEL = re.compile(r"((With)?LMHeadModel|For[A-Z]\w*|Model)$")  # the end of a class's name
OF_THE_HEAD = ("head.", "head_")  # beginnings of our parameters
OF_TOKENS = ("tied", "extra_tokens")  # fields of embeddings that say how tokens are predicted


def heads_of(base: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What each other task changes; of one that a file says to be `unknown`, nothing."""
    if "architectures" not in base or "within" in base:  # which other models have, too
        return {}
    if _has_experts([base.get("spec", {}), base.get("blocks", {})]):  # of tokens that are predicted
        return {}
    task = base.get("spec", {}).get("task", "causal-lm")
    own = base.get("heads", {})
    made = {}
    for head, said in common.get(task, {}).items():
        if head in own or not said.get("where_said"):
            every = common["every"].get(head, {})
            labelled = common["labelled"] if every.get("labelled") else {}
            parts = [labelled, every, said, own.get(head, {})]
            made[head] = functools.reduce(laid_over, parts)
            # A default that is null is one, and takes nothing away.
            defaults = [part.get("defaults", {}) for part in parts]
            made[head]["defaults"] = {k: v for one in defaults for k, v in one.items()}
    return {head: said for head, said in made.items() if not said.get("unknown")}


def laid_over(low: Any, high: Any, *, keep_nulls: bool = False) -> Any:
    """Mappings merged, the higher one's values winning; null takes a key away.

    It is kept where it is to take one away from what this is laid over in turn.
    """
    if not isinstance(low, dict) or not isinstance(high, dict):
        return high
    over = {k: laid_over(low.get(k), value, keep_nulls=keep_nulls) for k, value in high.items()}
    return {k: value for k, value in {**low, **over}.items() if keep_nulls or value is not None}


def headed(name: str, base: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping file that `TYPE.TASK` would be, extending that of TYPE."""
    model_type, _, task = name.partition(".")
    stem = LANGUAGE_MODEL.sub("", base["architectures"][0])
    model, weights = base["spec"].get("model", {}), base.get("weights", {})
    old = [key for key, entry in weights.get("keys", {}).items() if _is_of_head(entry)]
    new = said.get("weights", {}).get("keys", {})
    ignored = [*weights.get("ignored", ()), *said.get("weights", {}).get("ignored", ())]
    if said.get("skips_heads"):
        ignored += old
    spec = {
        "classes": None,
        "embedding": dict.fromkeys(OF_TOKENS),
        **said["spec"]["model"],
    }
    spec["head"] = _instead_of(model.get("head", {}), said["spec"]["model"].get("head", {}))
    attention = model.get("attention", {})
    if base["spec"].get("task", "causal-lm") == "causal-lm" and "mask" not in attention:
        spec["attention"] = {"mask": "causal"}
    made = {
        "extends": model_type,
        "architectures": [said["architecture"].format(stem)] if "architecture" in said else [],
        "spec": {**said["spec"], "task": task, "model": spec},
        "weights": {
            "keys": {**dict.fromkeys(old), **new},
            "tied": dict.fromkeys(weights.get("tied", ())),
            "unused": dict.fromkeys(weights.get("unused", ())),
            "ignored": [end for end in ignored if not any(key.endswith(end) for key in new)],
        },
    }
    for part in ("defaults", "let"):
        if part in said:
            made[part] = said[part]
    if "refused" in said:
        made["refused"] = [*base.get("refused", ()), *said["refused"]]
    lost = [
        model.get("head", {}),
        model.get("classes"),
        *(model.get("embedding", {}).get(f) for f in OF_TOKENS),
    ]
    words = {field: v for field, v in model.get("embedding", {}).items() if field not in OF_TOKENS}
    kept = {**model, "head": {}, "classes": None, "embedding": words}
    others = [base.get(part, {}) for part in ("let", "aspects", "blocks", "refused")]
    unread = names_in(lost) - names_in([kept, spec, *others])
    made["ignored"] = [*base.get("ignored", ()), *sorted(unread), *said.get("ignored", ())]
    return made


def names_in(value: Any) -> set[str]:
    """What the expressions of a part of a mapping file read."""
    if isinstance(value, str):
        tree = parsed(value[1:]) if value.startswith("=") else ast.Constant(value)
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(names_in, inner))


def _has_experts(part: Any) -> bool:
    """Whether a part of a mapping file says anything of experts."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    return (isinstance(part, dict) and bool(part.get("experts"))) or any(map(_has_experts, inner))


def _is_of_head(entry: Any) -> bool:
    """Whether a key is for what predicts tokens, in any of the forms that it may have."""
    each = entry if isinstance(entry, list) else [entry]
    parts = [part for one in each for part in ([one] if isinstance(one, str) else one["parts"])]
    return any(part.startswith(OF_THE_HEAD) for part in parts)


def _instead_of(old: Any, new: Any) -> Any:
    """What makes `new` of `old` when it is laid over it: null takes a key away."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    kept = {key: _instead_of(old.get(key), value) for key, value in new.items()}
    return {**{key: None for key in old if key not in new}, **kept}
