"""The files of a generated package: which there are, and which template makes each."""

from __future__ import annotations

from codegen.frozen import frozen


@frozen
class FilePlan:
    """A file of a generated package and its template.

    `roots` are the names that users call: definitions that none of them (and none of the
    package's other files) reaches are dropped. None: everything stays. `beside`: a file without
    which this one is not there either; `use`: a kind of modules, such as nn.Conv2d, of which a
    network has to have some.
    """

    path: str
    template: str
    roots: tuple[str, ...] | None = None
    use: str = ""
    beside: str = ""


@frozen
class TestsPlan:
    """Templates of a test file: what it imports, its constants, and its fixtures and tests.

    Parameters with `idle` in their names may have no gradient at times. `of_batches`: in training
    the network takes statistics of a batch, which one item has none of.
    """

    imports: tuple[str, ...]
    constants: tuple[str, ...]
    parts: tuple[str, ...]
    idle: str = ""
    of_batches: bool = False


COMPRESS = (  # of techniques that make a trained model smaller
    FilePlan("compress.py", "package/compress/compress.py.jinja", roots=("main",)),
    FilePlan("curve.py", "package/compress/curve.py.jinja", roots=("main",)),
    FilePlan("runs.py", "package/compress/runs.py.jinja", roots=()),
    FilePlan("answers.py", "package/answers.py.jinja", roots=()),
)
WEIGHTS = FilePlan("weights.py", "package/weights.py.jinja")
EXPORT = FilePlan("export.py", "package/export/huggingface.py.jinja", roots=("main",))
MODELING = FilePlan("modeling.py", "package/export/modeling.py.jinja")  # for transformers
NAMED_WEIGHTS = FilePlan("weights.py", "network/weights.py.jinja")


def package_tests(
    network: TestsPlan, task: TestsPlan, techniques: tuple[str, ...], step: str, *, checkpoint: bool
) -> TestsPlan:
    """Those of the family's `network`, of the task, of techniques, of a `step`, and of all."""
    of_all = [
        "package/tests/whole.py.jinja",
        step,
        "package/tests/resumed.py.jinja",
        *(("package/tests/weights.py.jinja",) if checkpoint else ()),
    ]
    fixtures, *parts = task.parts
    return TestsPlan(
        (*network.imports, *task.imports),
        (*network.constants, *task.constants),
        (fixtures, "package/tests/fixtures.py.jinja", *network.parts, *parts, *techniques, *of_all),
        network.idle,
        network.of_batches,
    )


def package_files(
    name: str,
    network: tuple[FilePlan, ...],
    task: tuple[FilePlan, ...],
    *,
    muon: bool,
    weights: FilePlan | None,
    writes: bool,
) -> tuple[FilePlan, ...]:
    """The frame's files, those of the family's `network`, of the task and its techniques."""
    files = (
        FilePlan("__init__.py", "package/init.py.jinja"),
        *network,
        *task,
        FilePlan("checkpoint.py", "package/checkpoint.py.jinja", roots=()),
        FilePlan("digests.py", "package/digests.py.jinja", roots=()),
        FilePlan("load.py", "package/load.py.jinja", roots=()),
        FilePlan("lock.py", "package/lock.py.jinja", roots=()),
        FilePlan("log.py", "package/log.py.jinja", roots=()),
        *((FilePlan("muon.py", "package/muon.py.jinja", roots=("Muon",)),) if muon else ()),
        FilePlan("options.py", "package/options.py.jinja", roots=()),
        FilePlan("run.py", "package/run.py.jinja", roots=()),
        FilePlan("start.py", "package/start.py.jinja", roots=()),
        FilePlan("process.py", "package/process.py.jinja", roots=()),
        FilePlan("resume.py", "package/resume.py.jinja", roots=()),
        FilePlan("tracking.py", "package/tracking.py.jinja", roots=()),
        FilePlan("train.py", "package/train.py.jinja", roots=("main",)),
        *((weights,) if weights else ()),
        *((EXPORT, MODELING) if weights is None and writes else ()),
        *((EXPORT,) if weights == WEIGHTS else ()),
        FilePlan(f"test_{name}.py", "package/test.py.jinja"),
        FilePlan("README.md", "package/README.md.jinja"),
    )
    paths = {"", *(file.path for file in files)}
    return tuple(file for file in files if file.beside in paths)
