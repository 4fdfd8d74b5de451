"""The options of the training script: those of every run, and those of the task."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.plan.train import TrainPlan


def training_options(name: str, train: TrainPlan, task: TaskPlan) -> tuple[OptionPlan, ...]:
    """In the order of `--help`."""
    return (
        *task.options,
        OptionPlan("out", "str", f"out/{name}", "folder for checkpoints and logs"),
        OptionPlan("resume", "bool", False, "go on from OUT; options not given are the saved ones"),
        OptionPlan("overwrite", "bool", False, "start afresh although OUT holds a checkpoint"),
        OptionPlan("tiny", "bool", False, "train Config.tiny(), to try things out"),
        OptionPlan("device", "str", "auto", "auto, cpu, cuda, ..."),
        OptionPlan("dtype", "str", train.dtype, "auto (bfloat16 on cuda), float32 or bfloat16"),
        OptionPlan("compile", "bool", False, "compile the model"),
        OptionPlan("seed", "int", train.seed, "of the first weights and of all that is drawn"),
        *task.sizes,
        OptionPlan("batch", "int", train.batch, f"{task.row}s per micro-batch, on each rank"),
        OptionPlan("accumulation", "int", train.accumulation, "micro-batches per step"),
        OptionPlan("steps", "int", train.steps, "steps of the whole run"),
        *_optimizer(train),
        *_schedule(train),
        OptionPlan("log_every", "int", train.log_every, "steps from one log line to the next"),
        OptionPlan("eval_every", "int", train.eval_every, "steps from one validation to the next"),
        OptionPlan(
            "checkpoint_every",
            "int",
            train.checkpoint_every,
            "steps from one checkpoint to the next",
        ),
    )


def _optimizer(train: TrainPlan) -> Iterator[OptionPlan]:
    of = train.optimizer
    if of.kind == "muon":
        assert of.matrix_lr is not None and of.momentum is not None
        assert of.newton_schulz_steps is not None and of.matrix_weight_decay is not None
        assert of.embedding_lr is not None and of.head_lr is not None
        steps, decay = "Newton-Schulz iterations per update", "Muon's, on matrices"
        yield OptionPlan("matrix_lr", "float", of.matrix_lr, "Muon's peak learning rate")
        yield OptionPlan("momentum", "float", of.momentum, "decay of Muon's momentum")
        yield OptionPlan("newton_schulz_steps", "int", of.newton_schulz_steps, steps)
        yield OptionPlan("matrix_weight_decay", "float", of.matrix_weight_decay, decay)
        tables = {rule.fact for rule in of.groups.tables}
        if "embedding" in tables:
            yield OptionPlan("embedding_lr", "float", of.embedding_lr, "AdamW's, for embeddings")
        if "head" in tables:
            yield OptionPlan("head_lr", "float", of.head_lr, "AdamW's, for the head")
        yield OptionPlan("lr", "float", of.lr, "AdamW's, for gains and biases")
    else:
        yield OptionPlan("lr", "float", of.lr, "peak learning rate")
    yield OptionPlan("beta1", "float", of.beta1, "decay of AdamW's first moment")
    yield OptionPlan("beta2", "float", of.beta2, "decay of AdamW's second moment")
    yield OptionPlan("eps", "float", of.eps, "of AdamW")
    decayed = "of AdamW, on matrices and embeddings"
    decayed = "AdamW's, on embeddings and heads" if of.kind == "muon" else decayed
    yield OptionPlan("weight_decay", "float", of.weight_decay, decayed)
    if train.clip:
        yield OptionPlan("clip", "float", train.clip, "largest norm of the gradients")


def _schedule(train: TrainPlan) -> Iterator[OptionPlan]:
    of = train.schedule
    yield OptionPlan("warmup", "int", of.warmup, "steps of linear warm-up")
    if of.kind != "constant":
        decay = "fraction of the run, its end, in which the rate decays"
        yield OptionPlan("min_lr_ratio", "float", of.min_lr_ratio, "last learning rate / peak")
        yield OptionPlan("decay_fraction", "float", of.decay_fraction, decay)
