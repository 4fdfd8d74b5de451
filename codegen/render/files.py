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


def _files(form: str, *, samples: bool) -> tuple[PackageFile, ...]:
    """The files of a task's packages; `form` tells its own templates from other tasks'."""
    sample = PackageFile("sample.py", f"package/sample{form}.py.jinja", roots=("main",))
    return (
        PackageFile("__init__.py", "package/init.py.jinja"),
        PackageFile("model.py", "package/model.py.jinja", roots=("Config", "Model")),
        PackageFile("attention.py", "package/attention.py.jinja", roots=(), when=_has_masks),
        PackageFile("ops.py", "package/ops.py.jinja", roots=(), when=_has_operations),
        PackageFile("kernels.py", "package/kernels.py.jinja", roots=(), when=_has_kernels),
        PackageFile("data.py", f"package/data{form}.py.jinja", roots=()),
        PackageFile("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
        PackageFile("log.py", "package/log.py.jinja", roots=()),
        PackageFile("muon.py", "package/muon.py.jinja", roots=("Muon",), when=_has_muon),
        PackageFile("options.py", "package/options.py.jinja", roots=()),
        PackageFile("train.py", f"package/train{form}.py.jinja", roots=("main",)),
        *((sample,) if samples else ()),
        PackageFile("weights.py", "package/weights.py.jinja", when=_has_checkpoint),
        PackageFile("test_{name}.py", f"package/test{form}.py.jinja"),
        PackageFile("README.md", f"package/README{form}.md.jinja"),
    )


FILES: dict[str, dict[str, tuple[PackageFile, ...]]] = {
    "transformer": {
        "causal-lm": _files("", samples=True),
        "masked-lm": _files("_encoder", samples=False),
        "seq2seq-lm": _files("_encoder_decoder", samples=True),
        "image-classification": _files("_vision", samples=False),
    },
}
