"""Layers that no model can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from codegen.spec.checks import NAME
from codegen.spec.close_words import suggestion
from codegen.spec.mistake import Mistake
from codegen.spec.transformer.resolve import layer_count, layer_kinds, resolve_block
from codegen.spec.transformer.vocabulary import LayerRun, Layers, RepeatedLayers, TransformerSpec
from codegen.spec.yaml.characters import MAX_WORD, word
from codegen.spec.yaml.source import Key

MAX_LAYERS = 1_000
MAX_WIDTH = 2**31


def check_layers(spec: TransformerSpec) -> Iterator[Mistake]:
    """Every layer names a block kind, and every block kind is in a layer."""
    blocks, layers = spec.model.blocks, spec.model.layers
    if spec.model.d_model > MAX_WIDTH:
        message = f"a stream of {spec.model.d_model:,} numbers, more than {MAX_WIDTH:,}"
        yield Mistake(("model", "d_model"), message)
    yield from _check_kinds(blocks)
    too_many = layer_count(spec.model) > MAX_LAYERS
    if too_many:
        said = ("count" if layers.count else "repeat",) if isinstance(layers, Layers) else ()
        at: Key = ("model", "layers", *said)
        yield Mistake(at, f"{layer_count(spec.model)} layers, more than {MAX_LAYERS:,}")
    if isinstance(layers, Layers) and layers.count and "repeat" in layers.model_fields_set:
        message = "`count` says how many layers there are, and `repeat` too"
        yield Mistake(("model", "layers", "repeat"), message, "drop one of them")
    if isinstance(layers, int):
        if len(blocks) > 1:
            hint = f"for example layers: {{pattern: [{', '.join(blocks)}], repeat: {layers}}}"
            yield Mistake(
                ("model", "layers"), "several kinds of blocks, but no order of them", hint
            )
        return
    runs, place = (layers, ()) if isinstance(layers, list) else (layers.pattern, ("pattern",))
    if not runs:
        yield Mistake(("model", "layers", *place), "a model needs at least one layer")
    yield from _check_runs(runs, blocks, ("model", "layers", *place))
    there = set() if too_many else set(layer_kinds(spec.model))
    for kind in blocks:
        if kind not in there and not too_many:
            yield Mistake(("model", "blocks", kind), f"no layer is of the kind `{word(kind)}`")


def _check_runs(
    runs: Sequence[LayerRun | RepeatedLayers], blocks: Iterable[str], place: Key
) -> Iterator[Mistake]:
    """Every name in a list of layers is of a block kind."""
    for index, run in enumerate(runs):
        if isinstance(run, RepeatedLayers):
            yield from _check_runs(run.pattern, blocks, (*place, index, "pattern"))
            continue
        for kind in [run] if isinstance(run, str) else run:
            if kind not in blocks:
                hint = suggestion(kind, blocks) or f"known: {', '.join(blocks) or 'none'}"
                message = f"no block kind `{word(kind)}` in `blocks`"
                yield Mistake((*place, index), message, hint)


def _check_kinds(kinds: Iterable[str]) -> Iterator[Mistake]:
    """Names of block kinds make names of classes: `local` makes LocalBlock."""
    classes: dict[str, str] = {}
    for kind in kinds:
        key: Key = ("model", "blocks", kind)
        if not NAME.fullmatch(kind) or len(kind) > MAX_WORD:
            yield Mistake(key, f"`{word(kind)}` can't be the name of a block kind")
            continue
        other = classes.setdefault("".join(part.capitalize() for part in kind.split("_")), kind)
        if other != kind:
            yield Mistake(key, f"`{kind}` and `{other}` would be classes of one name")


def check_order(spec: TransformerSpec) -> Iterator[Mistake]:
    """Layers are passed more than once only where nothing is kept of them."""
    order, layers = spec.model.order, layer_count(spec.model)
    if order is None:
        return
    if len(order) > MAX_LAYERS:
        message = f"{len(order)} layers in a pass, more than {MAX_LAYERS:,}"
        yield Mistake(("model", "order"), message)
        return
    for index, layer in enumerate(order):
        if layer >= layers:
            message = f"there is no layer {layer}: they are 0 to {layers - 1}"
            yield Mistake(("model", "order", index), message)
    blocks = (resolve_block(spec.model, kind) for kind in spec.model.blocks or (None,))
    if any(block.residual.depth_scaled for block in blocks):
        message = "with `depth_scaled` each layer has one place in the sum"
        yield Mistake(("model", "order"), message, "drop `order`, or `depth_scaled`")
    passed = set(order)
    for layer in range(min(layers, MAX_LAYERS)):
        if layer not in passed:
            yield Mistake(("model", "order"), f"layer {layer} is never passed")
            return
