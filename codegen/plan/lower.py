"""Spec -> Plan."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from codegen.errors import Diagnostic, SpecError
from codegen.plan.checkpoint import checkpoint_plan, with_layout
from codegen.plan.files import package_files, package_tests
from codegen.plan.kernels.kernel import Tile
from codegen.plan.kernels.kernel_plan import KernelPlan, kernel_plan, tunable, with_tiles
from codegen.plan.kernels.tiles import tile_for
from codegen.plan.optimizer_groups import OptimizerGroups, optimizer_groups
from codegen.plan.options import training_options
from codegen.plan.plan import Plan
from codegen.plan.targets import device_names, known_targets, target_data, tile_of
from codegen.plan.tasks import task_plan
from codegen.plan.train import OptimizerPlan, SchedulePlan, TrainPlan
from codegen.plan.transformer.cost import forward_flops, transformer_cost
from codegen.plan.transformer.describe import describe_transformer
from codegen.plan.transformer.encoder_decoder import lower_encoder_decoder
from codegen.plan.transformer.lower import lower_network
from codegen.plan.transformer.package import transformer_files, transformer_tests
from codegen.spec import LoadedSpec, Spec
from codegen.spec.head import Muon, SpecHead, Target
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.characters import word


def lower(loaded: LoadedSpec) -> Plan:
    """The plan of a spec, by its family; SpecError where the numbers don't fit."""
    return LOWERINGS[loaded.spec.family](loaded)


def spec_digest(spec: Spec) -> str:
    """Of what the spec says after `extends` and overrides; new fields' defaults change nothing."""
    said = spec.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _lower_transformer(loaded: LoadedSpec) -> Plan:
    spec = loaded.spec
    assert isinstance(spec, TransformerSpec), spec
    if spec.task == "seq2seq-lm":
        network = lower_encoder_decoder(spec)
    else:
        network = lower_network(spec.model, spec.task)
    checkpoint = None
    if spec.checkpoint.huggingface:
        where = loaded.tree.position(("checkpoint", "huggingface"))
        checkpoint = checkpoint_plan(
            spec.checkpoint.huggingface, network.parameters, network.blocks, where
        )
        network = replace(network, parameters=with_layout(network.parameters, checkpoint))
    kernels = _with_own_tiles(kernel_plan(network, spec.target), loaded)
    if kernels and kernels.operations:
        network = replace(network, operations=kernels.operation_names)
    context = getattr(spec.data, "context_length", None) or network.context_length
    task = task_plan(spec, network, 3 * forward_flops(network, spec.model, context))
    train = train_plan(spec, optimizer_groups(network.parameters))
    return Plan(
        name=spec.name,
        family=spec.family,
        task=task,
        spec_path=loaded.path,
        spec_digest=spec_digest(spec),
        target=spec.target.arch or spec.target.device,
        description=describe_transformer(spec.name, network),
        networks=(network,),
        train=train,
        techniques=(),
        options=training_options(spec.name, train, task),
        files=package_files(
            spec.name,
            transformer_files(network, kernels),
            task.files,
            muon=train.optimizer.kind == "muon",
            checkpoint=checkpoint is not None,
        ),
        tests=package_tests(
            transformer_tests(network, kernels), task.tests, checkpoint=checkpoint is not None
        ),
        checkpoint=checkpoint,
        cost=transformer_cost(network, spec.model, train.optimizer),
        kernels=kernels,
        own_tiles=tuple((target, k) for target, rows in spec.tiles.items() for k in rows),
        cpu_tile=cpu_tile(),
    )


def _with_own_tiles(plan: KernelPlan | None, loaded: LoadedSpec) -> KernelPlan | None:
    """The kernels with the tiles that the spec gives; SpecError for one that does not exist."""
    chosen: dict[str, dict[str, Tile]] = {}
    for target, rows in loaded.spec.tiles.items():
        for kernel, row in rows.items():
            where = loaded.tree.position(("tiles", target, kernel))
            if target not in known_targets():
                hint = f"known: {', '.join(known_targets())}"
                raise SpecError(Diagnostic(f"no GPU `{word(target)}`", where, hint))
            if plan is None or kernel not in tunable(plan):
                hint = f"it has {', '.join(tunable(plan))}" if plan else "it has none"
                raise SpecError(Diagnostic(f"no kernel `{word(kernel)}` to tile", where, hint))
            try:
                chosen.setdefault(target, {})[kernel] = tile_for(kernel, tile_of(row))
            except KeyError as error:
                message = f"the tile of `{kernel}` lacks {error}"
                raise SpecError(Diagnostic(message, where)) from None
            except ValueError as error:
                message = f"the tile of `{kernel}` {error}"
                raise SpecError(Diagnostic(message, where)) from None
    return with_tiles(plan, chosen) if plan else None


def cpu_tile() -> int:
    """Queries, and keys, that attention on a CPU looks at together."""
    return int(target_data("cpu")["attention_tile"])


def train_plan(spec: SpecHead, groups: OptimizerGroups) -> TrainPlan:
    """The training script's defaults."""
    train, optimizer = spec.train, spec.train.optimizer
    muon = optimizer if isinstance(optimizer, Muon) else None
    return TrainPlan(
        optimizer=OptimizerPlan(
            kind=optimizer.kind,
            lr=float(optimizer.lr),
            beta1=float(optimizer.betas[0]),
            beta2=float(optimizer.betas[1]),
            eps=float(optimizer.eps),
            weight_decay=float(optimizer.weight_decay),
            groups=groups,
            embedding_lr=float(muon.embedding_lr or muon.lr) if muon else None,
            head_lr=float(muon.head_lr or muon.lr) if muon else None,
            matrix_lr=float(muon.matrix_lr) if muon else None,
            momentum=float(muon.momentum) if muon else None,
            newton_schulz_steps=muon.newton_schulz_steps if muon else None,
            matrix_weight_decay=float(muon.matrix_weight_decay) if muon else None,
        ),
        schedule=SchedulePlan(
            kind=train.schedule.kind,
            warmup=train.schedule.warmup,
            min_lr_ratio=float(train.schedule.min_lr_ratio),
            decay_fraction=float(train.schedule.decay_fraction),
        ),
        batch=train.batch,
        accumulation=train.accumulation,
        steps=train.steps,
        clip=float(train.clip),
        validation=float(train.validation),
        eval_every=train.eval_every,
        checkpoint_every=train.checkpoint_every,
        log_every=train.log_every,
        seed=train.seed,
        dtype=spec.target.dtype,
        peaks=device_peaks(spec.target),
    )


def device_peaks(target: Target) -> dict[str, float]:
    """Dense bfloat16 FLOP/s by the name that a device reports, of all devices that may be meant."""
    peaks: dict[str, float] = {}
    for name in device_names():
        facts = target_data(name)
        kinds = {"any"} | {facts["device"]}
        if target.device in kinds and target.arch in (None, name):
            peaks |= {name: float(peak) for name, peak in facts["peak_bf16_flops"].items()}
    return peaks


LOWERINGS = {"transformer": _lower_transformer}
