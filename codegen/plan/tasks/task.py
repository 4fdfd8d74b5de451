"""A task as the plan has it: what the data are, what is minimised, how a model is used."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.frozen import frozen
from codegen.plan.files import FilePlan, TestsPlan

ANSWERS = FilePlan("answers.py", "package/answers.py.jinja", roots=())  # of scripts that use models
SCORES = FilePlan("scores.py", "package/scores.py.jinja", roots=())
FIGURES = FilePlan("figures.py", "package/figures.py.jinja", roots=())  # of those that measure them


@frozen
class OptionPlan:
    """An option of the training script, a field of its Options."""

    name: str
    type: str
    default: bool | int | float | str | tuple[str, ...]
    help: str
    least: int = 1  # of a whole number
    fraction: bool = False  # whether it is a part of one
    begins: bool = False  # whether it says how a run begins, and nothing where one goes on

    @property
    def flag(self) -> str:
        """On the command line, behind two dashes; `from_` is `from`, which Python keeps."""
        return self.name.rstrip("_").replace("_", "-")


@frozen
class TaskPlan:
    """What a task puts into the frames of a package's files.

    `parts` are templates by the place that they are for; `options` come first among the training
    script's, `sizes` stand with the size of a batch, `of_loss` say more of the loss. A `unit` is
    what speed is counted in.
    """

    name: str  # as specs say it, such as causal-lm
    data: str  # what training reads, such as "text"
    commands: tuple[str, ...]  # what `train` is started with, first the usual one
    kept: str  # what is saved of the data beside checkpoints
    drawn: tuple[str, ...]  # at random in training, of the data
    data_class: str  # of data.py
    row: str  # a batch has several, such as "sequence"
    unit: str
    loss: str  # as an axis says it
    flops_of: str  # what the plan's cost counts them for
    flops: int  # of a unit, forward and backward; 0 where units differ
    options: tuple[OptionPlan, ...]
    parts: Mapping[str, str]
    files: tuple[FilePlan, ...]
    tests: TestsPlan  # its first part defines random_inputs and random_targets
    toy_lr: float = 1e-2  # at which a toy model learns a batch by heart
    sizes: tuple[OptionPlan, ...] = ()
    of_loss: tuple[OptionPlan, ...] = ()
    uses: tuple[tuple[str, str], ...] = ()  # of a trained model: a module, and what it is asked
    keeps: tuple[str, ...] = ()  # files beside checkpoints without which a model is of no use
    cached: str = ""  # what the plan's cost counts the bytes of a cache for
    prepares: tuple[tuple[str, str], ...] = ()  # before training: a module, and what it is asked
    asks_for_data: bool = True  # whether --data alone says what to train on
    needs: str = ""  # what else it needs, as the end of a sentence
    units_in_row: str = ""  # the option that says how many; "" for one
    figures: tuple[tuple[str, str], ...] = ()  # measured beside the loss: name and format
    rows_in: str = "train.targets"  # of the data: what is as long as there are rows to train on
    counted_as: str = ""  # what these are, in a word; "": rows
    batch_class: str = "Batch"  # what an objective is of, of data.py
    smooths: str = "part of each target that all classes share"  # what label smoothing is
    draws: bool = False  # whether a step draws numbers from torch for the data
    measures: str = "The mean loss over every target that is held out"  # what an evaluation finds
    lowest: str = "validation loss"  # its main figure, the lower the better
    lowest_word: str = "loss"  # the same in a word

    @property
    def example(self) -> str:
        """What `train` is usually started with, without a remark on it."""
        return self.commands[0].partition("  # ")[0]

    @property
    def units(self) -> str:
        """Several of them."""
        return several(self.unit)

    @property
    def counted(self) -> str:
        """What there are so many of to train on."""
        return self.counted_as or self.rows

    @property
    def held_in(self) -> str:
        """Of the data: what is as long as there are rows held out."""
        return self.rows_in.replace("train", "validation")

    @property
    def rows(self) -> str:
        """Several of them."""
        return several(self.row)


def several(word: str) -> str:
    """A noun's plural."""
    return f"{word}es" if word.endswith("ch") else f"{word}s"
