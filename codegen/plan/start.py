"""How a run may start from weights that are there: what may be new, and what may grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from codegen.frozen import frozen
from codegen.importers.mapping import known, other_heads, read_mapping
from codegen.plan.checkpoint_plan import CheckpointPlan
from codegen.plan.module_names import ModuleNames
from codegen.plan.tables import Parameter

HEADS = ("head.", "head_", "distillation_head.", "projection.")  # of models of whatever task
OF_TOKENS = ("causal-lm", "masked-lm", "seq2seq-lm")  # their heads have a row for each token
TABLES = ("token_embedding.weight", "position_embedding.weight")
OF_ADAPTERS = ("lora_a", "lora_b", "magnitude")  # roles


@frozen
class StartPlan:
    """What training may do without in weights that it starts from.

    `heads` are beginnings of names of what only one task has, `heads_there` the same names in
    checkpoints of another library; `tables` are ends of names of what has a row for each token or
    position, `adapters` of what is trained beside frozen weights.
    """

    heads: tuple[str, ...]
    tables: tuple[str, ...]
    heads_there: tuple[str, ...] = ()
    tables_there: tuple[str, ...] = ()
    adapters: tuple[str, ...] = ()
    library: str = ""  # whose folders are read, "" for none


def start_plan(
    parameters: Iterable[Parameter], task: str, checkpoint: CheckpointPlan | ModuleNames | None
) -> StartPlan:
    """Of a model with these parameters."""
    rows = tuple(parameters)
    modules = {f"{row.name.rpartition('.')[0]}." for row in rows if row.group == "head"}
    heads = (*HEADS, *sorted(one for one in modules if not one.startswith(HEADS)))
    tables = TABLES + ("head.weight", "head.bias", "head_bias") * (task in OF_TOKENS)
    tables = tuple(end for end in tables if any(row.name.endswith(end) for row in rows))
    adapters = tuple(role for role in OF_ADAPTERS if any(row.role == role for row in rows))
    hub = checkpoint is not None and checkpoint.library.name == "huggingface"
    if not isinstance(checkpoint, CheckpointPlan):
        return StartPlan(heads, tables, adapters=adapters, library="huggingface" * hub)
    return StartPlan(
        heads,
        tables,
        tuple(dict.fromkeys(_heads_there(checkpoint))),
        tuple(k.theirs for k in checkpoint.keys if k.single and k.ours[0].endswith(tables)),
        adapters,
        "huggingface",
    )


def _heads_there(checkpoint: CheckpointPlan) -> Iterator[str]:
    """The names there of heads: of this model, and of others of its type."""
    yield from (key.theirs for key in checkpoint.keys if key.ours[0].startswith(HEADS))
    own = checkpoint.model_type
    base = own.partition(".")[0]
    of_type = (base, *other_heads(base)) if base in known() else ()
    for name in dict.fromkeys((own, *of_type)):
        for theirs, entry in read_mapping(name).weights.get("keys", {}).items():
            if any(part.startswith(HEADS) for part in _parts(entry)):
                yield theirs


def _parts(entry: object) -> Iterator[str]:
    """Our names in an entry of a mapping file, in whichever form it is."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, list):
        for one in entry:
            yield from _parts(one)
    elif isinstance(entry, dict):
        yield from _parts(entry["parts"])
