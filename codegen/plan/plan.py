"""The Plan: everything a template needs, every number resolved, plain frozen data."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from codegen.frozen import frozen
from codegen.plan.checkpoint_plan import CheckpointPlan
from codegen.plan.contract import Network
from codegen.plan.files import FilePlan, TestsPlan
from codegen.plan.kernels.kernel_plan import KernelPlan
from codegen.plan.module_names import ModuleNames
from codegen.plan.start import StartPlan
from codegen.plan.step import StepPlan
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.plan.techniques.technique import TechniquePlan
from codegen.plan.train import TrainPlan
from codegen.spec.tasks.decoders import DECODERS

FLOAT32, BFLOAT16 = 4, 2  # bytes of a number
AUTO_CLASSES = {
    **dict.fromkeys(DECODERS, "AutoModelForCausalLM"),
    "masked-lm": "AutoModelForMaskedLM",
    "seq2seq-lm": "AutoModelForSeq2SeqLM",
    "sequence-classification": "AutoModelForSequenceClassification",
    "tagging": "AutoModelForTokenClassification",
    "image-classification": "AutoModelForImageClassification",
}
TASKS_THERE = {
    **dict.fromkeys(DECODERS, "CAUSAL_LM"),
    "seq2seq-lm": "SEQ_2_SEQ_LM",
    "embedding": "FEATURE_EXTRACTION",
}
NAMES_THERE = {  # fields of our configs by what most of transformers' configs call them
    "vocab_size": "vocab_size",
    "max_position_embeddings": "context_length",
    "hidden_size": "d_model",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "head_dim": "head_dim",
    "intermediate_size": "d_ff",
}
PLAN_VERSION = 3  # of the JSON that `tgen plan --json` prints


@frozen
class Cost:
    """What the model costs. FLOPs count a multiply-add as two; attention counts visible pairs."""

    parameters: int
    active_parameters: int  # that one unit meets: of experts, the active ones
    flops_forward: int  # a unit; of a token, at full context
    flops_train: int  # a unit, forward and backward
    weight_bytes: int  # float32
    weight_bytes_bf16: int
    trained_parameters: int = 0  # where some are frozen; 0: all
    kv_cache_bytes: int = 0  # a sequence of full length, bfloat16; of a model that decodes
    training_bytes: int = 0  # float32 weights, their average, gradients and optimizer state
    unit: str = "token"  # that FLOPs are counted for
    uncounted: tuple[str, ...] = ()  # classes whose parameters are counted when the tests run

    @classmethod
    def of(cls, parameters: int, flops_forward: int, **more: Any) -> Cost:
        """What follows of how many parameters there are, all of them met, and of a forward pass."""
        return cls(
            parameters=parameters,
            flops_forward=flops_forward,
            weight_bytes=FLOAT32 * parameters,
            weight_bytes_bf16=BFLOAT16 * parameters,
            **{"active_parameters": parameters, "flops_train": 3 * flops_forward, **more},
        )


@frozen
class Description:
    """What a person reads first."""

    title: str
    notable: tuple[str, ...]
    papers: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # on how it may be used


@frozen
class Plan:
    """One spec, lowered."""

    name: str
    family: str
    task: TaskPlan
    spec_path: str
    spec_digest: str
    target: str
    description: Description
    networks: tuple[Network, ...]
    train: TrainPlan
    step: StepPlan
    techniques: tuple[TechniquePlan, ...]  # in the order in which they act
    options: tuple[OptionPlan, ...]  # of the training script
    files: tuple[FilePlan, ...]
    tests: TestsPlan
    checkpoint: CheckpointPlan | ModuleNames | None
    start: StartPlan
    cost: Cost
    kernels: KernelPlan | None
    own_tiles: tuple[tuple[str, str], ...]  # (GPU, kernel) whose tiles the spec itself gives
    cpu_tile: int  # queries, and keys, that attention on a CPU looks at together
    version: int = field(default=PLAN_VERSION)

    @property
    def model(self) -> Network:
        """The network of a family that has one."""
        return self.networks[0]

    @property
    def exports(self) -> bool:
        """Whether models of any size can be written down for transformers, the toy included."""
        if not any(file.path == "export.py" for file in self.files):
            return False
        toy = {field.name: field.tiny for field in self.model.fields}
        known = self.checkpoint
        return not isinstance(known, CheckpointPlan) or known.there.says(toy)

    @property
    def one_input(self) -> bool:
        """Whether the model is given tokens or images alone."""
        tasks = (*DECODERS, "masked-lm", "image-classification")
        return self.task.name in tasks and not self.model.required

    @property
    def auto_class(self) -> str:
        """The class of transformers that loads an exported model."""
        return AUTO_CLASSES.get(self.task.name, "AutoModel")

    @property
    def vocabularies(self) -> tuple[str, ...]:
        """The fields of the config that say how many tokens there are."""
        names = ("vocab_size", "encoder_vocab_size")
        return tuple(field.name for field in self.model.fields if field.name in names)

    @property
    def tokenizers(self) -> tuple[str, ...]:
        """The options that say how texts become tokens."""
        names = ("tokenizer", "source_tokenizer")
        return tuple(option.name for option in self.options if option.name in names)

    @property
    def class_there(self) -> str:
        """How the names of classes for transformers begin."""
        return "".join(word.capitalize() for word in self.name.split("_"))

    @property
    def names_there(self) -> tuple[tuple[str, str], ...]:
        """Names of fields that most of transformers' configs have, and code over ours."""
        types = {field.name: field.type for field in self.model.fields if not field.formula}
        found = [
            (theirs, f"config.{ours}")
            for theirs, ours in NAMES_THERE.items()
            if types.get(ours) == "int"
        ]
        layers = types.get("layers", "")
        count = "config.layers" if layers == "int" else "len(config.layers)"
        return (*found, *((("num_hidden_layers", count),) if layers else ()))

    @property
    def measures_utilisation(self) -> bool:
        """Whether a run can say which part of a device's peak it uses."""
        return bool(self.train.peaks and self.task.flops)

    @property
    def alone(self) -> bool:
        """Whether one process has to train alone."""
        return any(technique.alone for technique in self.techniques)

    @property
    def drawn(self) -> tuple[str, ...]:
        """What training draws at random."""
        of_techniques = (what for technique in self.techniques for what in technique.drawn)
        return (*self.task.drawn, *of_techniques, *(("dropout",) if self.model.drops else ()))

    @property
    def option_groups(self) -> dict[str, str]:
        """The titles that `--help` puts above options, by the option that each begins with."""
        names = [option.name for option in self.options]
        after = {name: names[names.index(name) + 1] for name in ("seed", "steps")}
        return {
            names[0]: "data",
            "out": "run",
            after["seed"]: "steps",
            after["steps"]: "optimization",
            "log_every": "logs and checkpoints",
        }

    @property
    def may_be_zero(self) -> tuple[str, ...]:
        """The options that are whole numbers from zero, and not from one."""
        return tuple(option.name for option in self.options if option.least == 0)

    @property
    def beginnings(self) -> tuple[str, ...]:
        """The options that say how a run begins, the first of which the others go with."""
        return tuple(option.name for option in self.options if option.begins)

    @property
    def writes_there(self) -> bool:
        """Whether a script writes models down as transformers does."""
        return any(file.path == "export.py" for file in self.files)

    @property
    def task_there(self) -> str | None:
        """What peft calls the task, of those that it asks no more of."""
        return TASKS_THERE.get(self.task.name)

    @property
    def read_of_few_bits(self) -> bool:
        """Whether transformers reads its exported models with torchao's tensors."""
        from codegen.plan.export.unread import unread  # of exports of few bits alone

        known = self.checkpoint
        return isinstance(known, CheckpointPlan) and not unread(self.task.name, known.model_type)

    @property
    def finetunes(self) -> bool:
        """Whether a part of the model learns little unless the rest starts from weights."""
        return any(technique.name == "finetune" for technique in self.techniques)

    @property
    def quantizes(self) -> bool:
        """Whether trained models may have matrices of few bits."""
        return any(technique.name == "quantize" for technique in self.techniques)

    @property
    def fractions(self) -> tuple[str, ...]:
        """The options that are parts of one."""
        return tuple(option.name for option in self.options if option.fraction)

    @property
    def turns(self) -> str:
        """The option that says how many batches a step draws one after the other; "": one."""
        names = {option.name for option in self.options}
        return "critic_steps" if "critic_steps" in names else ""

    @property
    def seeds_steps(self) -> bool:
        """Whether a step draws numbers from torch: the model, the task or a technique."""
        drawing = (t.draws and (t.parts or t.drawn) for t in self.techniques)
        return bool(self.model.drops or self.task.draws or any(drawing))

    def technique(self, name: str) -> TechniquePlan:
        """The one of a name that the plan has."""
        return next(one for one in self.techniques if one.name == name)

    def marked(self, place: str) -> tuple[str, ...]:
        """The templates that techniques put at a place of train.py."""
        return tuple(t.parts[place] for t in self.techniques if place in t.parts)
