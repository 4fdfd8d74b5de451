"""The options of the training script: those of every run, and those of the task."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.start import StartPlan
from codegen.plan.tasks.task import OptionPlan, TaskPlan
from codegen.plan.techniques import TechniquePlan
from codegen.plan.train import TrainPlan

EVAL_BATCHES = 200  # of nanoGPT
FROM = "weights to start from: of a run, of one file, or imported ones"
OR_THERE = "; or a Hugging Face folder"
GROW = "with --from: rows of tables that the weights lack are the mean of theirs"
PATIENCE = "validations without improvement after which a run ends; 0: it goes on"


def training_options(
    name: str,
    train: TrainPlan,
    task: TaskPlan,
    start: StartPlan,
    techniques: tuple[TechniquePlan, ...] = (),
) -> tuple[OptionPlan, ...]:
    """In the order of `--help`."""
    return (
        *task.options,
        OptionPlan("out", "str", f"out/{name}", "folder for checkpoints and logs"),
        OptionPlan("resume", "bool", False, "go on from OUT; options not given are the saved ones"),
        OptionPlan("overwrite", "bool", False, "start afresh although OUT holds a checkpoint"),
        OptionPlan("from_", "str", "", FROM + OR_THERE * bool(start.library), begins=True),
        OptionPlan("grow", "bool", False, GROW, begins=True),
        OptionPlan("new_data", "bool", False, "with --resume: although the data have changed"),
        OptionPlan("tiny", "bool", False, "train Config.tiny(), to try things out"),
        OptionPlan("device", "str", "auto", "auto, cpu, cuda, ..."),
        OptionPlan("dtype", "str", train.dtype, "auto (bfloat16 on cuda), float32 or bfloat16"),
        OptionPlan("compile", "bool", False, "compile the model"),
        OptionPlan("seed", "int", train.seed, "of the first weights and of all that is drawn", 0),
        *task.sizes,
        OptionPlan("batch", "int", train.batch, f"{task.rows} per micro-batch, on each rank"),
        OptionPlan("accumulation", "int", train.accumulation, "micro-batches per step"),
        *_length(train),
        *_optimizer(train),
        *_schedule(train),
        *task.of_loss,
        *_loss(train, task.smooths),
        *(option for technique in techniques for option in technique.options),
        OptionPlan("report", "str", "", "tensorboard or wandb, which then show the figures, too"),
        OptionPlan("log_every", "int", train.log_every, "steps from one log line to the next"),
        OptionPlan("eval_every", "int", train.eval_every, "steps from one validation to the next"),
        OptionPlan(
            "eval_batches",
            "int",
            EVAL_BATCHES,
            "of a validation, the same each time, of all ranks together; 0: all there are",
            0,
        ),
        OptionPlan("patience", "int", train.patience, PATIENCE, 0),
        OptionPlan(
            "checkpoint_every",
            "int",
            train.checkpoint_every,
            "steps from one checkpoint to the next",
        ),
    )


def _length(train: TrainPlan) -> Iterator[OptionPlan]:
    if train.epochs:
        yield OptionPlan("epochs", "float", train.epochs, "passes over the data in the whole run")
        help = "steps of the whole run; 0: as many as its epochs have"
        yield OptionPlan("steps", "int", 0, help, 0)
    else:
        yield OptionPlan("steps", "int", train.steps, "steps of the whole run")


def _loss(train: TrainPlan, help: str) -> Iterator[OptionPlan]:
    if train.label_smoothing:
        yield OptionPlan("label_smoothing", "float", train.label_smoothing, help, fraction=True)


def _optimizer(train: TrainPlan) -> Iterator[OptionPlan]:
    of = train.optimizer
    if of.kind == "muon":
        assert of.matrix_lr is not None and of.momentum is not None
        assert of.newton_schulz_steps is not None and of.matrix_weight_decay is not None
        assert of.embedding_lr is not None and of.head_lr is not None
        steps, decay = "Newton-Schulz iterations per update", "Muon's, on matrices"
        yield OptionPlan("matrix_lr", "float", of.matrix_lr, "Muon's peak learning rate")
        yield OptionPlan(
            "momentum", "float", of.momentum, "decay of Muon's momentum", fraction=True
        )
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
    if of.kind == "sgd":
        assert of.momentum is not None
        yield OptionPlan(
            "momentum", "float", of.momentum, "part of an update that goes on", fraction=True
        )
    else:
        assert of.beta1 is not None and of.beta2 is not None and of.eps is not None
        name = "Adam" if of.kind == "adam" else "AdamW"
        yield OptionPlan(
            "beta1", "float", of.beta1, f"decay of {name}'s first moment", fraction=True
        )
        yield OptionPlan(
            "beta2", "float", of.beta2, f"decay of {name}'s second moment", fraction=True
        )
        yield OptionPlan("eps", "float", of.eps, f"of {name}")
    decayed = "of AdamW, on matrices and embeddings"
    decayed = "of matrices, which their gradients gain" if of.kind in ("sgd", "adam") else decayed
    decayed = "AdamW's, on embeddings and heads" if of.kind == "muon" else decayed
    yield OptionPlan("weight_decay", "float", of.weight_decay, decayed)
    if train.clip:
        yield OptionPlan("clip", "float", train.clip, "largest norm of the gradients")


def _schedule(train: TrainPlan) -> Iterator[OptionPlan]:
    of = train.schedule
    if of.warmup is not None:
        yield OptionPlan("warmup", "int", of.warmup, "steps of linear warm-up", 0)
    if of.gamma is not None:
        yield OptionPlan(
            "gamma", "float", of.gamma, "what the rate falls by at a milestone", fraction=True
        )
    if of.pct_start is not None and of.div_factor is not None and of.final_div_factor is not None:
        yield OptionPlan(
            "pct_start", "float", of.pct_start, "part of the run with a rising rate", fraction=True
        )
        yield OptionPlan("div_factor", "float", of.div_factor, "peak / first learning rate")
        final = "first learning rate / last"
        yield OptionPlan("final_div_factor", "float", of.final_div_factor, final)
    if of.kind in ("cosine", "linear"):
        assert of.min_lr_ratio is not None and of.decay_fraction is not None
        decay = "fraction of the run, its end, in which the rate decays"
        yield OptionPlan(
            "min_lr_ratio", "float", of.min_lr_ratio, "last learning rate / peak", fraction=True
        )
        yield OptionPlan("decay_fraction", "float", of.decay_fraction, decay, fraction=True)
