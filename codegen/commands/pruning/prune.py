"""`tgen prune`: a trained model -> the spec of a smaller one, its package, its weights."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codegen.build.outcome import Outcome
from codegen.commands.asked import project_of
from codegen.commands.import_ import written
from codegen.commands.new import check_new_name, spec_called, variant_text
from codegen.commands.pruning.coupled import Coupled, coupled_in_chains, coupled_in_sublayers
from codegen.commands.pruning.cut import (
    Stack,
    cut_layers,
    cut_units,
    first_order,
    magnitudes,
)
from codegen.commands.pruning.gradients import products
from codegen.commands.pruning.layer_lists import smaller_network
from codegen.commands.pruning.numbers import smaller_transformer, stacks
from codegen.emit.disk import refuse_link
from codegen.errors import CheckpointError, SpecError, TgenError
from codegen.frozen import frozen
from codegen.importers.blank import WithoutInit
from codegen.importers.companions import CHAT, GENERATION
from codegen.importers.convert import FILE, imported_modules, keep, staged
from codegen.plan import Plan, lower
from codegen.plan.transformer.network import TransformerNetwork
from codegen.project import Project
from codegen.spec import LoadedSpec, load_spec
from codegen.spec.transformer.resolve import run_length
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.source import Tree

if TYPE_CHECKING:
    from torch import Tensor

STRUCTURES = {
    "transformer": ("heads", "neurons", "layers"),
    "network": ("channels", "neurons"),
}
BESIDE_TOKENIZERS = (GENERATION, *CHAT, "special_tokens_map.json")


@frozen
class Cut:
    """What of a model is cut, and how much of it."""

    structure: str
    amount: float
    by: str = "magnitude"
    data: tuple[str, ...] = ()  # which `taylor` reads, if not the run's own
    batches: int = 16


@frozen
class Cutting:
    """A spec, its plan and the smaller one's, and what is cut."""

    loaded: LoadedSpec
    dense: Plan
    small: Plan
    asked: Cut
    files: Mapping[str, str]  # of the package that is cut, where its gradients are asked for


@frozen
class Pruned:
    """What `tgen prune` made, and of what."""

    name: str
    spec: Path
    dense: Plan
    small: Plan
    outcome: Outcome
    weights: Path


def write_pruned(
    start: Path,
    run: Path,
    asked: Cut,
    name: str,
    project: Project,
    *,
    distill: bool = False,
    test: bool = True,
) -> Pruned:
    """Spec, package and weights of a smaller model; an error leaves none of them behind."""
    from codegen.build.rendering import render_specs
    from codegen.commands.build import finish

    check_new_name(name, "prune")
    parent = spec_called(start, project)
    loaded = load_spec(parent, project_of([parent]).root)
    dense, said = lower(loaded), smaller(loaded, asked)
    if distill:
        said["train"] = {"distill": {"temperature": 2.0}}
    path, root, text = variant_text(name, parent, Tree(data=said), project)
    weights = project.root / "weights" / name
    for place in (path, weights, weights.parent):
        refuse_link(place)
    with ExitStack() as stack:
        stack.enter_context(written(path, text))
        small = lower(load_spec(path, root))
        rendered, failed = render_specs([path], project, out=project.generated)
        if failed:
            raise SpecError(failed[0].problems)
        staging = stack.enter_context(staged(weights))
        files = {} if asked.by == "magnitude" else _files(parent, project)
        cutting = Cutting(loaded, dense, small, asked, files)
        with imported_modules(rendered[0].files, ("model", "checkpoint")) as (model, checkpoint):
            write_cut(model, checkpoint, cutting, run, staging)
        (outcome,) = finish(rendered, project, out=project.generated, test=test)
        if outcome.written is None:
            raise SpecError(outcome.problems)
        keep(staging, weights)
    return Pruned(name, path, dense, small, outcome, weights)


def _files(spec: Path, project: Project) -> Mapping[str, str]:
    """Of the package of a spec, rendered and not written."""
    from codegen.build.rendering import render_specs

    rendered, failed = render_specs([spec], project, out=project.generated)
    if failed:
        raise SpecError(failed[0].problems)
    return rendered[0].files


def smaller(loaded: LoadedSpec, asked: Cut) -> dict[str, Any]:
    """What the spec of a smaller model says otherwise."""
    spec, structure = loaded.spec, asked.structure
    known = STRUCTURES.get(spec.family, ())
    if not known:
        message = f"nothing is cut of the family `{spec.family}`"
        hint = "single weights: `train: {prune: 0.5}`"
        raise TgenError(message, hint if spec.family == "recurrent" else None)
    if structure not in known:
        raise TgenError(f"a {spec.family} has no {structure} to cut", f"{' or '.join(known)}")
    if isinstance(spec, TransformerSpec):
        return {"model": smaller_transformer(spec, structure, asked.amount)}
    said = {"model": smaller_network(loaded.tree.data["model"], structure, asked.amount)}
    libraries = {name: None for name, value in spec.checkpoint.said().items() if value is not None}
    return {**said, **({"checkpoint": libraries} if libraries else {})}


def write_cut(model: Any, checkpoint: Any, cutting: Cutting, run: Path, to: Path) -> None:
    """The weights of a run, cut to fit the modules of the smaller package, and files beside."""
    import torch

    try:
        path = checkpoint.checkpoint_in(run)
        tensors, saved = checkpoint.read_checkpoint(path)
    except ValueError as error:
        raise CheckpointError(str(error)) from None
    if "quantize" in saved.get("compressed", {}):
        raise CheckpointError(f"{path} has weights of few bits", "prune what it was made from")
    values = {name.removeprefix("model."): t for name, t in tensors.items() if name[:6] == "model."}
    config = model.Config(**small_config(cutting, saved["config"], path))
    with torch.device("meta"), WithoutInit():
        wanted = checkpoint.weights(model.Model(config))
    _check_shapes(values, cutting.dense, path)
    left = cut(values, cutting, path)
    odd = [n for n in left.keys() | wanted.keys() if not _fits(left.get(n), wanted.get(n))]
    if odd:
        raise CheckpointError(f"{path}: {min(odd)} does not fit the smaller model")
    own = {f"model.{name}": left[name] for name in wanted}
    checkpoint.write_checkpoint(to / FILE, own, {"config": asdict(config)})
    for name in (*cutting.small.task.keeps, *BESIDE_TOKENIZERS):
        if (path.parent / name).is_file():
            shutil.copyfile(path.parent / name, to / name)


def _fits(mine: Tensor | None, wanted: Tensor | None) -> bool:
    return mine is not None and wanted is not None and mine.shape == wanted.shape


def _check_shapes(values: dict[str, Tensor], dense: Plan, path: Path) -> None:
    """The checkpoint is of the dense spec; its data may have had other words and classes."""
    for row in dense.model.parameters:
        there = tuple(values[row.name].shape) if row.name in values else None
        if there is None or (there != row.shape and there[1:] != row.shape[1:]):
            message = f"{path} has {row.name} of {there}, and the spec's model {row.shape}"
            raise CheckpointError(message, "name the spec that it was trained with")


def cut(values: dict[str, Tensor], cutting: Cutting, path: Path) -> dict[str, Tensor]:
    """What is left of the dense model's tensors."""
    if cutting.asked.structure == "layers":
        for stack in stacks_of(cutting):
            units = stack.units(row.name for row in cutting.dense.model.parameters)
            values = cut_layers(values, stack, scores(values, units, cutting, path))
        return values
    of_chains = cutting.dense.family == "network"
    groups = (coupled_in_chains if of_chains else coupled_in_sublayers)(
        cutting.dense, cutting.small
    )
    return cut_units(values, groups, scores(values, groups, cutting, path))


def scores(
    values: dict[str, Tensor], groups: Sequence[Coupled], cutting: Cutting, path: Path
) -> list[Tensor]:
    """How much each unit of each group matters."""
    asked = cutting.asked
    if asked.by == "magnitude":
        return magnitudes(values, groups)
    return first_order(products(cutting.files, path, asked.data, asked.batches), groups)


def stacks_of(cutting: Cutting) -> list[Stack]:
    """The layers of a transformer, of an encoder-decoder those of both, before and after."""
    spec = cutting.loaded.spec
    assert isinstance(spec, TransformerSpec)
    pairs, found = spec.task == "seq2seq-lm", []
    for key, model in stacks(spec.model, pairs):
        before, after = (_layers(plan, inner=bool(key)) for plan in (cutting.dense, cutting.small))
        prefix = ("encoder." if key else "decoder." if pairs else "") + "blocks."
        pattern = getattr(model.layers, "pattern", None)
        found.append(Stack(prefix, before, after, run_length(pattern) if pattern else 1))
    return found


def _layers(plan: Plan, *, inner: bool) -> int:
    network = plan.model
    assert isinstance(network, TransformerNetwork)
    part = network.encoder if inner else network
    assert part
    return len(part.layers)


def small_config(cutting: Cutting, saved: dict[str, Any], path: Path) -> dict[str, Any]:
    """The smaller model's fields: what training chose for both stays, such as a vocabulary."""
    before, after = (
        {field.name: field.value for field in plan.model.fields if not field.formula}
        for plan in (cutting.dense, cutting.small)
    )
    found = {}
    for name, value in after.items():
        same = name not in before or before[name] == value
        there = _tuples(saved.get(name, before.get(name, value)))
        if not same and there != before[name]:
            message = f"{path} was trained with {name} {there}, and its spec says {before[name]}"
            raise CheckpointError(message, "train with the spec's own numbers, without --tiny")
        found[name] = there if same else value
    return found


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
