"""torch.fx's graph of a module as plain data: each step with its shape, its class and its line."""

from __future__ import annotations

import operator
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
import torch.fx
import torch.nn.functional as F
from torch import Tensor, nn

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
DROPS = ("StochasticDepth", "DropPath")  # of other libraries, in training only
BEFORE = {name: getattr(nn.Module, name) for name in ("__call__", "__getattr__")}
WORDS: dict[Any, str] = {
    operator.add: "add", operator.iadd: "add", torch.add: "add", operator.sub: "subtract",
    torch.sub: "subtract", operator.mul: "multiply", operator.imul: "multiply",
    torch.mul: "multiply", torch.cat: "concat", torch.concat: "concat", torch.flatten: "flatten",
    torch.mean: "mean", torch.chunk: "chunk", torch.split: "split", torch.transpose: "transpose",
    torch.permute: "permute", torch.reshape: "reshape", torch.squeeze: "squeeze",
    torch.relu: "relu", torch.sigmoid: "sigmoid", torch.tanh: "tanh", torch.softmax: "softmax",
    torch.channel_shuffle: "channel_shuffle",
    F.relu: "relu", F.relu6: "relu6", F.silu: "silu", F.gelu: "gelu", F.elu: "elu", F.selu: "selu",
    F.mish: "mish", F.softplus: "softplus", F.leaky_relu: "leaky_relu", F.sigmoid: "sigmoid",
    F.tanh: "tanh", F.hardswish: "hardswish", F.hardsigmoid: "hardsigmoid", F.softmax: "softmax",
    F.dropout: "dropout", F.max_pool2d: "max_pool2d", F.avg_pool2d: "avg_pool2d",
    F.adaptive_avg_pool2d: "adaptive_avg_pool2d", F.adaptive_max_pool2d: "adaptive_max_pool2d",
    F.layer_norm: "layer_norm", F.batch_norm: "batch_norm", F.group_norm: "group_norm",
    F.linear: "linear", F.conv2d: "conv2d", F.pixel_shuffle: "pixel_shuffle",
    F.interpolate: "interpolate", F.pad: "pad", operator.getitem: "getitem", getattr: "getattr",
}  # fmt: skip


class UntraceableError(Exception):
    """Why a module has no graph: the reason, the class, and its line."""

    def __init__(self, reason: str, owner: str = "", line: str = "") -> None:
        super().__init__(reason)
        self.reason, self.owner, self.line = reason, owner, line


class Tracer(torch.fx.Tracer):
    """Modules of torch.nn are steps; all others are looked into.

    What a module does by the shape of what comes in, it does as with these images.
    """

    record_stack_traces = True

    def __init__(self, images: Sequence[Tensor]) -> None:
        super().__init__()
        self.images = images
        self.values: list[dict[torch.fx.Node, Any]] = [{} for _ in images]

    def to_bool(self, obj: torch.fx.Proxy) -> bool:
        """Which way an `if` goes, where that depends on nothing but shapes."""
        if not _is_of_shapes(obj.node):
            return super().to_bool(obj)
        found = {bool(self._value(obj.node, at)) for at in range(len(self.images))}
        return found.pop() if len(found) == 1 else super().to_bool(obj)

    def _value(self, node: torch.fx.Node, at: int) -> Any:
        """What a step so far gives for one of the batches."""
        known = self.values[at]
        with _as_it_was(), torch.no_grad():
            for one in self.graph.nodes:
                if one not in known:
                    known[one] = self._run(one, at)
        return known[node]

    def _run(self, node: torch.fx.Node, at: int) -> Any:
        known, target = self.values[at], cast(Any, node.target)
        args, kwargs = torch.fx.map_arg((node.args, node.kwargs), known.__getitem__)
        if node.op == "placeholder":
            return self.images[at]
        if node.op == "get_attr":
            return operator.attrgetter(target)(self.root)
        if node.op == "call_module":
            return self.root.get_submodule(target)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], target)(*args[1:], **kwargs)
        return target(*args, **kwargs)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step."""
        if type(m).__name__ in DROPS:
            return True
        return type(m).__module__.startswith("torch.nn") and not isinstance(m, CONTAINERS)


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Modules as they are while no tracer looks at what they do."""
    during = {name: getattr(nn.Module, name) for name in BEFORE}
    try:
        for name, method in BEFORE.items():
            setattr(nn.Module, name, method)
        yield
    finally:
        for name, method in during.items():
            setattr(nn.Module, name, method)


def _is_of_shapes(node: torch.fx.Node) -> bool:
    """Whether a number is worked out of shapes alone, not of what tensors hold."""
    if node.op == "call_method" and node.target in ("size", "dim", "numel", "ndimension"):
        return True
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in ("shape", "ndim")
    inner = node.all_input_nodes
    return node.op == "call_function" and bool(inner) and all(map(_is_of_shapes, inner))


def traced(model: nn.Module, images: Sequence[Tensor]) -> torch.fx.GraphModule:
    """The graph of the module; UntraceableError with the line at which tracing ends."""
    tracer = Tracer(images)
    try:
        return torch.fx.GraphModule(model, tracer.trace(model))
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if not _ours(f.filename)]
        line = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        stack = getattr(tracer, "module_stack", {})
        owner = _class(list(stack.values())[-1][1]) if stack else ""
        said = str(error).split("\n")[0]
        raise UntraceableError(f"it can't be traced: {said}", owner, line) from None


class Recording(torch.fx.Interpreter):
    """Runs a graph and keeps what every step gives."""

    def __init__(self, graph: torch.fx.GraphModule) -> None:
        super().__init__(graph)
        self.found: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        """What a step gives."""
        self.found[n.name] = value = super().run_node(n)
        return value


def as_json(
    model: nn.Module,
    graph: torch.fx.GraphModule,
    images: Sequence[Tensor],
    starts: Mapping[str, float],
) -> tuple[list[dict[str, Any]], list[Tensor]]:
    """Every step as plain data, and what comes out for each batch."""
    runs = []
    outputs = []
    for batch in images:
        recording = Recording(graph)
        with torch.no_grad():
            outputs.append(recording.run(batch))
        runs.append({name: _form(value) for name, value in recording.found.items()})
    modules = dict(model.named_modules())
    state = {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
    nodes = [_node(n, modules, state, runs) for n in graph.graph.nodes]
    for node in nodes:
        if node["word"] == "get_attr" and node["tensors"][0] in starts:
            node["settings"] = {"start": starts[node["tensors"][0]]}
    return nodes, outputs


def _node(
    node: torch.fx.Node, modules: dict[str, nn.Module], state: set[str], runs: list[dict[str, Any]]
) -> dict[str, Any]:
    word, settings, tensors = node.op, {}, []
    target = node.target
    if node.op == "call_module":
        module = modules[str(target)]
        word, settings = type(module).__name__, _settings(module)
        if word in DROPS:
            word, settings = "drop_path", {"rate": _rate(module)}
        own = [*module._parameters, *module._buffers]
        tensors = [f"{target}.{name}" for name in own if f"{target}.{name}" in state]
        tensors = [name for name in tensors if not name.endswith("num_batches_tracked")]
    elif node.op == "call_function":
        word = WORDS.get(target, "")
        word = word or f"{getattr(target, '__module__', '')}.{getattr(target, '__name__', target)}"
    elif node.op == "call_method":
        word = {"add_": "add", "mul": "multiply", "mul_": "multiply", "relu_": "relu"}.get(
            str(target), str(target)
        )
    elif node.op == "get_attr":
        tensors = [str(target)]
    shapes = [run.get(node.name) for run in runs]
    return {
        "name": node.name,
        "word": word,
        "args": _plain(node.args),
        "kwargs": _plain(node.kwargs),
        "settings": settings,
        "tensors": tensors,
        "form": shapes,
        "owners": _owners(node, str(target) if node.op == "call_module" else "", modules),
        "line": _line(node),
    }


def _owners(
    node: torch.fx.Node, target: str, modules: dict[str, nn.Module]
) -> list[tuple[str, str, bool]]:
    """The modules around a step, the outermost first: path, class, and whether it is torch's."""
    stack = node.meta.get("nn_module_stack") or {}
    found = []
    for path in dict.fromkeys(one[0] for one in stack.values()):
        if path and path != target and path in modules:
            kind = type(modules[path])
            found.append((path, _class(kind), kind.__module__.startswith("torch.nn")))
    return found


def _class(kind: Any) -> str:
    return f"{kind.__module__}.{kind.__qualname__}" if isinstance(kind, type) else str(kind)


def _line(node: torch.fx.Node) -> str:
    """The innermost line outside of torch that made a step."""
    frames = [
        one for one in (node.stack_trace or "").split("\n") if one.lstrip().startswith("File")
    ]
    for frame in reversed(frames):
        parts = frame.strip().split('"')
        if len(parts) > 2 and not _ours(parts[1]):
            number = parts[2].split(",")[1].replace("line", "").strip()
            return f"{parts[1]}:{number}"
    return ""


def _ours(filename: str) -> bool:
    path = filename.replace("\\", "/")
    return "/torch/" in path or "/codegen/capture/" in path or filename.startswith("<")


def _settings(module: nn.Module) -> dict[str, Any]:
    """What a module of torch.nn was made with."""
    simple = {k: v for k, v in vars(module).items() if not k.startswith("_") and k != "training"}
    return {
        k: _plain(v) for k, v in simple.items() if isinstance(v, int | float | str | tuple | list)
    }


def _rate(module: nn.Module) -> float:
    found = getattr(module, "p", getattr(module, "drop_prob", 0.0))
    return float(found or 0.0)


def _form(value: Any) -> Any:
    """The shape of a tensor, or a plain number, or several."""
    if isinstance(value, Tensor):
        return {"shape": list(value.shape)}
    if isinstance(value, bool | int | float):
        return {"value": value}
    if isinstance(value, tuple | list):
        return {"several": [_form(one) for one in value]}
    return {}


def _plain(value: Any) -> Any:
    """A step's arguments: other steps are {"node": name}."""
    if isinstance(value, torch.fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, slice):
        return {"slice": [_plain(value.start), _plain(value.stop), _plain(value.step)]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {"other": str(value)}
