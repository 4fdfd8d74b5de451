"""A technique as the plan has it: what wraps training, or changes a trained model."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.frozen import frozen
from codegen.plan.files import FilePlan
from codegen.plan.tasks.task import OptionPlan
from codegen.spec.yaml.source import Key

PLACES = (
    "imports",  # of train.py
    "state",  # fields of a run, each with a default
    "built",  # the model is made and initialised; its optimizers are not
    "ready",  # the run is made, and nothing of a checkpoint is read
    "loaded",  # the tensors of a checkpoint are read
    "functions",  # that the other places call
    "batches",  # of one step, before the first of them is read
    "batch",  # on the device, before the objective reads it
    "objective",  # of one batch, in place of the task's own
    "loss",  # of one batch, before its gradients
    "gradients",  # of a step are there, and the optimizers have not read them
    "step",  # the optimizers have moved the weights
    "reported",  # figures of a log line
    "measuring",  # the model is about to be evaluated
    "measured",  # it is, and its weights are kept if they are the best
    "written",  # a run's folder is there, with all of its data that users of the model need
    "kept",  # the weights of a checkpoint, or the best ones, before they are written
    "saved",  # what only a checkpoint has besides
    "ended",  # the last step is done
)
PLACES_ELSEWHERE = (  # of other files than train.py and run.py
    "shaped_imports",  # of checkpoint.py
    "shaped",  # of checkpoint.py: before tensors are put into a model
    "read_back",  # of checkpoint.py: all tensors of a file are read
    "beside",  # of checkpoint.py: functions
    "used_imports",  # of load.py
    "used",  # of load.py: a model is on the device on which it is used
    "starts",  # of start.py: the metadata of weights that a run starts from are read
    "started",  # of start.py: the weights that a run starts from are read
    "read_there",  # of weights.py: another library's weights are in the model
    "written_there",  # of weights.py: before they are written for it
    "export_imports",  # of export.py
    "export_options",  # of export.py
    "export_written",  # of export.py: before tensors are written, which a technique may replace
    "exported",  # of export.py: a model is there, and nothing is written
    "compress_says",  # of compress.py, which makes a trained model smaller: commands
    "compress_imports",  # of compress.py
    "compress_functions",  # of compress.py, that what is `compressed` calls
    "compressed",  # of compress.py: a model is there, and what is `done` to it is noted
    "swept",  # of compress.py: names and options of what a sweep tries
    "compress_options",  # of compress.py
    "random",  # of the tests: all weights of a model are drawn
)


@frozen
class TechniquePlan:
    """A technique by its name and, for each place of train.py that it marks, a template.

    `draws`: a step of it draws numbers from torch; `drawn` is what that is for.
    """

    name: str
    parts: Mapping[str, str]
    draws: bool = True
    drawn: tuple[str, ...] = ()
    options: tuple[OptionPlan, ...] = ()  # of the training script
    figures: tuple[tuple[str, str], ...] = ()  # that are logged: names, with their format
    files: tuple[FilePlan, ...] = ()  # beside the frame's
    tests: tuple[str, ...] = ()  # templates of what the package promises of it
    alone: bool = False  # whether one process has to train alone
    named: tuple[tuple[Key, str], ...] = ()  # patterns of parameters' names; where they are said
    averages: bool = False  # whether it holds all weights once more
