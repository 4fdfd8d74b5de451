"""`tgen build --train`: packages trained one after another, and compared."""

from codegen.commands.training.options import TrainingOptions, training_options
from codegen.commands.training.results import result_of
from codegen.commands.training.run import Run
from codegen.commands.training.train_all import train_all

__all__ = ["Run", "TrainingOptions", "result_of", "train_all", "training_options"]
