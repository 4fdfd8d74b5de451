"""Steps that move or join axes: which layers they are, and where channels come last."""

from __future__ import annotations

from codegen.capture.graph import Graph, Step
from codegen.capture.item import Item

FUNCTIONS = {
    "ReLU": "relu", "ReLU6": "relu6", "SiLU": "silu", "GELU": "gelu", "Tanh": "tanh",
    "Sigmoid": "sigmoid", "Hardswish": "hardswish", "Hardsigmoid": "hardsigmoid", "ELU": "elu",
    "SELU": "selu", "Mish": "mish", "Softplus": "softplus", "PReLU": "prelu", "Softmax": "softmax",
    "LeakyReLU": "leaky_relu",
}  # fmt: skip
WORDS = (*FUNCTIONS.values(),)
NOTHING = ("Identity", "contiguous", "clone", "concat")  # a concat of one value
SPREADING = ("expand_as", "expand", "view", "reshape", "unsqueeze", "getitem")
KEEPING = (  # the place of channels
    *FUNCTIONS, *WORDS, *NOTHING, "LayerNorm", "layer_norm", "Linear", "linear", "Dropout",
    "dropout", "multiply", "add", "drop_path",
)  # fmt: skip


class UnknownError(Exception):
    """A step that no layer is: what it is."""


def is_last(graph: Graph, step: Step) -> bool:
    """Whether a map's channels come last: since it was permuted so, until it is permuted back."""
    if step.name not in graph.last:
        graph.last[step.name] = _is_last(graph, step)
    return graph.last[step.name]


def _is_last(graph: Graph, step: Step) -> bool:
    moved = _axes(graph, step)
    reads = graph.reads(step)
    if moved == (0, 2, 3, 1):
        return True
    if moved == (0, 3, 1, 2) or not reads or len(step.shape) != 3:
        return False
    return is_last(graph, graph.steps[reads[0]]) if step.word in KEEPING else False


def _axes(graph: Graph, step: Step) -> tuple[int, ...]:
    if step.word == "Permute" or step.word == "permute":
        said = step.settings.get("dims") or graph.value(list(step.args[1:]))
        said = said[0] if said and isinstance(said[0], list) else said
        return tuple(int(one) % 4 for one in said) if len(said) == 4 else ()
    return ()


def is_spread(graph: Graph, step: Step) -> bool:
    """Whether a number of each channel is made as large as the map that it multiplies, no more."""
    if step.word not in SPREADING:
        return False
    before = graph.steps[graph.reads(step)[0]].shape
    wide = [size for size in before if size > 1]
    if before[:1] != step.shape[:1] or wide not in ([], [*before[:1]]):
        return False
    users = [graph.steps[one] for one in graph.users.get(step.name, ())]
    return all(
        one.word == "multiply" or (is_spread(graph, one) and graph.reads(one)[0] == step.name)
        for one in users
    )


def reshaped(graph: Graph, step: Step, before: Step) -> list[Item]:
    """A step that gives a map all in one row, or what it gets."""
    total = 1
    for size in before.shape:
        total *= size
    if step.shape == before.shape:
        return []
    if step.shape == (total,):
        if is_last(graph, before):
            raise UnknownError("`flatten` of channels that come last")
        return [Item("flatten")]
    raise UnknownError(f"`{step.word}` of {list(before.shape)} to {list(step.shape)}")


def padded(graph: Graph, step: Step, before: Step) -> list[Item]:
    """Nothing around, as where maps of sizes that fit are made equal."""
    around = graph.value(step.argument(1, "pad", []))
    if not isinstance(around, list) or any(around):
        raise UnknownError(f"`pad` by {around}")
    return []


def sliced(graph: Graph, step: Step, before: Step) -> list[Item]:
    """All of what comes in."""
    if step.shape != before.shape:
        raise UnknownError(f"a part of {list(before.shape)}")
    return []


def moved(graph: Graph, step: Step, before: Step) -> list[Item]:
    """Positions and channels that change places; channels that come last, or first again."""
    if len(before.shape) == 2 and step.shape == before.shape[::-1]:
        return [Item("transpose")]
    if is_last(graph, step) != is_last(graph, before) and len(before.shape) == 3:
        return []
    raise UnknownError(f"`{step.word}` of the axes of {list(before.shape)}")
