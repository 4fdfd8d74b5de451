"""Which template makes which file, by family and task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from codegen.plan import Plan


@dataclass(frozen=True)
class PackageFile:
    """A file of a generated package: its name, its template, when it exists.

    `roots` are the names that users call: definitions that none of them (and none of the
    package's other files) reaches are dropped. None: everything stays.
    """

    path: str
    template: str
    roots: tuple[str, ...] | None = None
    when: Callable[[Plan], bool] = lambda plan: True

    def name(self, plan: Plan) -> str:
        """The file's name in the package."""
        return self.path.format(name=plan.name)


def _has_checkpoint(plan: Plan) -> bool:
    return plan.checkpoint is not None


def _has_muon(plan: Plan) -> bool:
    return plan.train.optimizer.kind == "muon"


def _has_masks(plan: Plan) -> bool:
    return bool(plan.model.functions)


def _has_kernels(plan: Plan) -> bool:
    return plan.kernels is not None


def _has_operations(plan: Plan) -> bool:
    return plan.kernels is not None and plan.kernels.operations


MODEL_FILES = (
    PackageFile("__init__.py", "package/init.py.jinja"),
    PackageFile("model.py", "package/model.py.jinja", roots=("Config", "Model")),
    PackageFile("attention.py", "package/attention.py.jinja", roots=(), when=_has_masks),
    PackageFile("ops.py", "package/ops.py.jinja", roots=(), when=_has_operations),
    PackageFile("kernels.py", "package/kernels.py.jinja", roots=(), when=_has_kernels),
)
WEIGHTS = PackageFile("weights.py", "package/weights.py.jinja", when=_has_checkpoint)
DECODER_FILES = (
    *MODEL_FILES,
    PackageFile("data.py", "package/data.py.jinja", roots=()),
    PackageFile("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
    PackageFile("log.py", "package/log.py.jinja", roots=()),
    PackageFile("muon.py", "package/muon.py.jinja", roots=("Muon",), when=_has_muon),
    PackageFile("options.py", "package/options.py.jinja", roots=()),
    PackageFile("train.py", "package/train.py.jinja", roots=("main",)),
    PackageFile("sample.py", "package/sample.py.jinja", roots=("main",)),
    WEIGHTS,
    PackageFile("test_{name}.py", "package/test.py.jinja"),
    PackageFile("README.md", "package/README.md.jinja"),
)

ENCODER_FILES = (
    *MODEL_FILES,
    PackageFile("data.py", "package/data_masked.py.jinja", roots=()),
    PackageFile("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
    PackageFile("log.py", "package/log.py.jinja", roots=()),
    PackageFile("muon.py", "package/muon.py.jinja", roots=("Muon",), when=_has_muon),
    PackageFile("options.py", "package/options.py.jinja", roots=()),
    PackageFile("train.py", "package/train_masked.py.jinja", roots=("main",)),
    WEIGHTS,
    PackageFile("test_{name}.py", "package/test_encoder.py.jinja"),
    PackageFile("README.md", "package/README_encoder.md.jinja"),
)

ENCODER_DECODER_FILES = (
    *MODEL_FILES,
    PackageFile("data.py", "package/data_pairs.py.jinja", roots=()),
    PackageFile("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
    PackageFile("log.py", "package/log.py.jinja", roots=()),
    PackageFile("muon.py", "package/muon.py.jinja", roots=("Muon",), when=_has_muon),
    PackageFile("options.py", "package/options.py.jinja", roots=()),
    PackageFile("train.py", "package/train_pairs.py.jinja", roots=("main",)),
    PackageFile("sample.py", "package/sample_pairs.py.jinja", roots=("main",)),
    WEIGHTS,
    PackageFile("test_{name}.py", "package/test_encoder_decoder.py.jinja"),
    PackageFile("README.md", "package/README_encoder_decoder.md.jinja"),
)
VISION_FILES = (
    *MODEL_FILES,
    PackageFile("data.py", "package/data_vision.py.jinja", roots=()),
    PackageFile("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
    PackageFile("log.py", "package/log.py.jinja", roots=()),
    PackageFile("muon.py", "package/muon.py.jinja", roots=("Muon",), when=_has_muon),
    PackageFile("options.py", "package/options.py.jinja", roots=()),
    PackageFile("train.py", "package/train_vision.py.jinja", roots=("main",)),
    WEIGHTS,
    PackageFile("test_{name}.py", "package/test_vision.py.jinja"),
    PackageFile("README.md", "package/README_vision.md.jinja"),
)

FILES: dict[str, dict[str, tuple[PackageFile, ...]]] = {
    "transformer": {
        "causal-lm": DECODER_FILES,
        "masked-lm": ENCODER_FILES,
        "seq2seq-lm": ENCODER_DECODER_FILES,
        "image-classification": VISION_FILES,
    },
}
