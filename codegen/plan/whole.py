"""A whole plan, of the parts that its family and its task make of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from codegen.plan.checkpoint_plan import CheckpointPlan
from codegen.plan.contract import Network
from codegen.plan.files import (
    COMPRESS,
    NAMED_WEIGHTS,
    WEIGHTS,
    FilePlan,
    TestsPlan,
    package_files,
    package_tests,
)
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.module_names import ModuleNames
from codegen.plan.optimizer_groups import optimizer_groups
from codegen.plan.options import training_options
from codegen.plan.plan import Cost, Description, Plan
from codegen.plan.start import start_plan
from codegen.plan.step import ONE_LOSS, StepPlan
from codegen.plan.targets import target_data
from codegen.plan.tasks import TaskPlan
from codegen.plan.techniques import TechniquePlan, techniques_of
from codegen.plan.techniques.named import check_named
from codegen.plan.training import train_plan, training_bytes
from codegen.spec import LoadedSpec, Spec
from codegen.spec.tasks.decoders import DECODERS


def spec_digest(spec: Spec, code: str | None = None) -> str:
    """Of what the spec says after `extends` and overrides; new fields' defaults change nothing.

    `code` is the user's own that the spec names.
    """
    said = spec.model_dump(mode="json", exclude_unset=True)
    if code is not None:
        said["code"] = code
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def whole_plan(
    loaded: LoadedSpec,
    network: Network,
    task: TaskPlan,
    description: Description,
    cost: Cost,
    files: tuple[FilePlan, ...],
    tests: TestsPlan,
    kernels: KernelPlan | None = None,
    checkpoint: CheckpointPlan | ModuleNames | None = None,
    techniques: tuple[TechniquePlan, ...] = (),
    step: StepPlan = ONE_LOSS,
) -> Plan:
    """The plan of a spec; `files`, `tests`, `techniques` and `step` are its family's."""
    spec = loaded.spec
    train = train_plan(spec, optimizer_groups(network.parameters))
    techniques = (*techniques, *techniques_of(spec))
    check_named(loaded, techniques, network.parameters)
    averaged = any(technique.averages for technique in techniques)
    kept = training_bytes(network.parameters, train, averaged=averaged)
    tried = tuple(part for technique in techniques for part in technique.tests)
    start = start_plan(network.parameters, task.name, checkpoint)
    with_checkpoint = checkpoint is not None
    named = isinstance(checkpoint, ModuleNames)
    return Plan(
        name=spec.name,
        family=spec.family,
        task=task,
        spec_path=loaded.path,
        spec_digest=spec_digest(spec, loaded.code.text if loaded.code else None),
        target=spec.target.arch or spec.target.device,
        description=description,
        networks=(network,),
        train=train,
        step=step,
        techniques=techniques,
        options=training_options(spec.name, train, task, start, techniques),
        files=package_files(
            spec.name,
            files,
            tuple(file for file in all_files(task, techniques) if of_use(file, network)),
            muon=train.optimizer.kind == "muon",
            weights=(NAMED_WEIGHTS if named else WEIGHTS) if with_checkpoint else None,
            writes=task.name in DECODERS,
        ),
        tests=package_tests(tests, task.tests, tried, step.tests, checkpoint=with_checkpoint),
        checkpoint=checkpoint,
        start=start,
        cost=replace(cost, training_bytes=kept),
        kernels=kernels,
        own_tiles=tuple((target, k) for target, rows in spec.tiles.items() for k in rows),
        cpu_tile=cpu_tile(),
    )


def all_files(task: TaskPlan, techniques: tuple[TechniquePlan, ...]) -> tuple[FilePlan, ...]:
    """Those of a task and of techniques, and of what both need each one once."""
    own = (*task.files, *(file for technique in techniques for file in technique.files))
    smaller = any("compressed" in technique.parts for technique in techniques)
    return tuple({file.path: file for file in (*own, *(COMPRESS if smaller else ()))}.values())


def of_use(file: FilePlan, network: Network) -> bool:
    """Whether a network has what a file is for."""
    filling = getattr(network, "filling", None)
    return not file.use or (filling is not None and file.use in filling.sums)


def cpu_tile() -> int:
    """Queries, and keys, that attention on a CPU looks at together."""
    return int(target_data("cpu")["attention_tile"])
