"""What is trained of a transformer whose weights are there: rows added to its table, or frozen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from codegen.errors import Diagnostic, SpecError
from codegen.plan.files import FilePlan
from codegen.plan.tables import ConfigField, Parameter, Start
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.plan.transformer.finetune_plan import FinetunePlan, matches
from codegen.plan.transformer.init_rules import init_plan
from codegen.plan.transformer.network import TransformerNetwork
from codegen.spec import LoadedSpec
from codegen.spec.techniques.finetune import LOW_RANK, Finetune
from codegen.spec.transformer.vocabulary import TransformerSpec
from codegen.spec.yaml.characters import word

FOLDER = "techniques/finetune"
ADAPTER = FilePlan("adapter.py", f"{FOLDER}/adapter.py.jinja", roots=("main",))
PROJECTION = re.compile(  # of a block: the sublayer, and the name of a projection in it
    r"(?:encoder\.|decoder\.)?blocks\.\d+\.(attention|cross_attention|mlp|mlp\.shared|conv)"
    r"\.(\w+)\.weight"
)
STACKED = re.compile(r".*\.experts\.(\w+)")
OF_ATTENTION_AND_MLPS = ("attention", "cross_attention", "mlp", "mlp.shared")
OTHERS = ("router", "shared_gate")  # of MLPs: they choose, and project nothing
ADDED = {"lora": ("*.lora_a", "*.lora_b"), "dora": ("*.lora_a", "*.lora_b", "*.magnitude")}
MOVED = ("correction_bias",)  # of routers, by how many tokens each expert has got
WITH_CLASSES = ("sequence-classification", "tagging", "image-classification")
OF_HEADS = ("head.*", "head_*", "distillation_head.*")
APART = ("imports", "state", "written", "kept", "loaded", "beside", "read_back")  # what is frozen
TINY_RANK, TINY_ALPHA = 2, 1.0
KAIMING, ZEROS, LENGTHS = Start("kaiming"), Start("zeros"), Start("ones")


def finetuned(network: TransformerNetwork, loaded: LoadedSpec) -> TransformerNetwork:
    """The network with what its spec says of fine-tuning; SpecError if names are of nothing."""
    spec = loaded.spec
    assert isinstance(spec, TransformerSpec), spec
    said = spec.train.finetune
    if said is None:
        return network
    plan = FinetunePlan(
        method=said.method,
        targets=_targets(said, network, loaded) if said.method in LOW_RANK else (),
        rooted=said.scaling == "rslora",
        dropout=said.dropout > 0,
        added=ADDED.get(said.method, ()),
        trained=_trained(said, spec.task, network.parameters),
        left=tuple(said.freeze or ()),
        moved=tuple(role for role in MOVED if any(row.role == role for row in network.parameters)),
    )
    rows = tuple(_with_added(network.parameters, plan, said.rank))
    _check_patterns(plan, said, rows, loaded)
    rows = tuple(replace(row, trained=row.trained and plan.trains(row.name)) for row in rows)
    made = replace(
        network,
        fields=tuple(_with_fields(network.fields, said)) if plan.low_rank else network.fields,
        parameters=rows,
        init=init_plan(rows, spec.model, pooled=network.pooling is not None),
        finetune=plan,
    )
    return replace(made, encoder=made.encoder and replace(made.encoder, finetune=plan))


def _trained(said: Finetune, task: str, rows: Iterable[Parameter]) -> tuple[str, ...]:
    """Patterns of what is trained besides: of a classifier, whose head is new, by default that."""
    if said.train is not None or said.method not in LOW_RANK or task not in WITH_CLASSES:
        return tuple(said.train or ())
    names = [row.name for row in rows]
    return tuple(one for one in OF_HEADS if any(fnmatchcase(name, one) for name in names))


def _targets(said: Finetune, network: TransformerNetwork, loaded: LoadedSpec) -> tuple[str, ...]:
    """The names of the projections that something is added to."""
    found = [*filter(None, map(_projection, network.parameters))]
    there = dict.fromkeys(name for _, name in found if name not in OTHERS)
    stacked = {m[1] for row in network.parameters if (m := STACKED.fullmatch(row.name))}
    if said.targets is None:
        places = {name: place for place, name in reversed(found)}
        return tuple(n for n in there if places[n] in OF_ATTENTION_AND_MLPS and n not in stacked)
    findings = []
    for index, name in enumerate(said.targets):
        if name in stacked:
            why = f"experts have their `{name}` stacked in one tensor, which nothing is added to"
        elif name in ("head", "token_embedding"):
            why = f"`{name}` is no projection of a block: name it in `train` to train all of it"
        elif name not in there:
            why = f"no layer has a projection `{word(name)}`"
        else:
            continue
        names = ", ".join(one for one in there if one not in stacked)
        where = loaded.tree.position(("train", "finetune", "targets", index))
        findings.append(Diagnostic(why, where, f"there are {names}"))
    if findings:
        raise SpecError(findings)
    return tuple(dict.fromkeys(said.targets))


def _projection(row: Parameter) -> tuple[str, str] | None:
    """Of the weight of a block's projection: the sublayer that it is in, and its name there."""
    match = PROJECTION.fullmatch(row.name)
    if match is None or row.role != match[2] or row.group != "matrix" or len(row.shape) != 2:
        return None
    return match[1], match[2]


def _with_added(rows: Iterable[Parameter], plan: FinetunePlan, rank: int) -> Iterator[Parameter]:
    """The rows, each weight of a target followed by those of what is added to it."""
    for row in rows:
        yield row
        projection = _projection(row)
        if projection and projection[1] in plan.targets:
            yield from _added(row, plan, rank)


def _added(row: Parameter, plan: FinetunePlan, rank: int) -> Iterator[Parameter]:
    name, (out, into) = row.name.removesuffix("weight"), row.shape
    a, b = (1 if row.shard == 1 else None), (0 if row.shard == 0 else None)
    yield Parameter(f"{name}lora_a", (rank, into), "lora_a", KAIMING, "matrix", a)
    yield Parameter(f"{name}lora_b", (out, rank), "lora_b", ZEROS, "matrix", b)
    if plan.method == "dora":
        yield Parameter(f"{name}magnitude", (out,), "magnitude", LENGTHS, "vector", b)


def _with_fields(fields: Iterable[ConfigField], said: Finetune) -> Iterator[ConfigField]:
    """The config's fields, those of what is added before that of all starts."""
    for field in fields:
        if field.name == "init_std":
            rank, alpha = said.rank, float(said.alpha)
            yield ConfigField("lora_rank", "int", rank, min(rank, TINY_RANK))
            yield ConfigField("lora_alpha", "float", alpha, TINY_ALPHA)
            if said.dropout:
                rate = float(said.dropout)
                yield ConfigField("lora_dropout", "float", rate, rate)
        yield field


def _check_patterns(
    plan: FinetunePlan, said: Finetune, rows: Iterable[Parameter], loaded: LoadedSpec
) -> None:
    """SpecError for a pattern that changes nothing, and where nothing is frozen or all is."""
    before = replace(plan, trained=(), left=())
    trained = {row.name: row.trained and before.trains(row.name) for row in rows}
    found = []
    for part, patterns, wanted in (("freeze", plan.left, True), ("train", plan.trained, False)):
        for index, pattern in enumerate(patterns):
            names = [name for name in trained if fnmatchcase(name, pattern)]
            where = loaded.tree.position(("train", "finetune", part, index))
            of_use = [name for name in names if trained[name] is wanted]
            if part == "train":
                of_use += [name for name in names if matches(name, plan.left)]
            if not names:
                hint = "`tgen plan` shows the names; `*` stands for any part of one"
                found.append(Diagnostic(f"no parameter is called `{word(pattern)}`", where, hint))
            elif not of_use:
                what = "trained" if part == "train" else "frozen"
                message = f"what is called `{word(pattern)}` is {what} anyway"
                found.append(Diagnostic(message, where, "drop it"))
    if found:
        raise SpecError(found)
    where = loaded.tree.position(("train", "finetune"))
    if not plan.low_rank and not plan.left:
        message = "`full` trains all parameters, as without `finetune`"
        raise SpecError(Diagnostic(message, where, "say in `freeze` what is not, or drop it"))
    if not any(row.trained and plan.trains(row.name) for row in rows):
        raise SpecError(Diagnostic("nothing is left to be trained", where, "freeze less"))


def finetune_techniques(network: TransformerNetwork, *, named: bool) -> Iterator[TechniquePlan]:
    """What fine-tuning puts into a package; `named`: another library has names for its weights."""
    plan = network.finetune
    if plan is None:
        return
    places: tuple[str, ...] = APART if plan.low_rank else ()
    if plan.low_rank and named:
        places += ("built", "read_there", "written_there")
    if plan.method == "dora":
        places += ("started", "random")
    help = "with --from: a folder of peft's, whose adapter is gone on from"
    yield TechniquePlan(
        name="finetune",
        parts={place: f"{FOLDER}/{place}.py.jinja" for place in places},
        draws=False,
        options=(OptionPlan("adapter", "str", "", help, begins=True),) if "built" in places else (),
        files=(ADAPTER,) if plan.low_rank else (),
        tests=(f"{FOLDER}/tests.py.jinja",),
    )


def with_learned(task: TaskPlan, network: TransformerNetwork) -> TaskPlan:
    """The task whose tests don't ask of what is frozen that it learns a batch by heart."""
    if network.finetune is None:
        return task
    learned = f"{FOLDER}/learned.py.jinja"
    parts = tuple(learned if p.endswith("overfit.py.jinja") else p for p in task.tests.parts)
    return replace(task, tests=replace(task.tests, parts=parts))
