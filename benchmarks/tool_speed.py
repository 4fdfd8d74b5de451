"""How fast tgen is: cold processes, medians.

    python -m benchmarks.tool_speed [--repeat 11] [--many 3] [--write]

Each command runs in a fresh process over a copy of the specs in a temporary folder. "cold" has no
.tgen/ and no package; "no verdicts" has the packages and no .tgen/, as a fresh clone has; "nothing
changed" comes right after a build. Of the tables of many specs, each is one of this project's
under a name and with a number of layers of its own; they are measured `--many` times.
"""

from __future__ import annotations

import argparse
import functools
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tables import machine, markdown_table, replace_section

ROOT = Path(__file__).parent.parent
TGEN = str(Path(sys.executable).with_name("tgen"))


@dataclass(frozen=True)
class Timing:
    """Seconds of a process and its workers, and the most memory that one of them had, in MiB."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Case:
    """A command, what is done before it each time, and the seconds that it may take."""

    name: str
    command: Sequence[str]
    prepare: Callable[[Path], None]
    goal: float | None = None


def timed(command: Sequence[str], folder: Path) -> Timing:
    """One process, in a parent of its own whose children's memory is that of no other run."""
    parent = (
        "import resource, subprocess, sys, json, time; start = time.perf_counter(); "
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode; "
        "wall = time.perf_counter() - start; "
        "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        "print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))"
    )
    asked = [sys.executable, "-c", parent, *command]
    done = subprocess.run(asked, cwd=folder, capture_output=True, text=True, check=True)
    code, wall, cpu, peak = json.loads(done.stdout)
    assert code == 0, done.stderr
    return Timing(wall, cpu, peak)


def clear(folder: Path) -> None:
    """As before the first build."""
    for name in (".tgen", "generated"):
        shutil.rmtree(folder / name, ignore_errors=True)


def drop_verdicts(folder: Path) -> None:
    """As in a fresh clone with its committed packages."""
    shutil.rmtree(folder / ".tgen", ignore_errors=True)


def write_tiny_llama(folder: Path) -> None:
    """A checkpoint as transformers writes them, random, of toy size."""
    from safetensors.torch import save_file

    from codegen.commands.read_model import loaded, read_model

    folder.mkdir()
    sizes = {"hidden_size": 48, "intermediate_size": 80, "vocab_size": 67, "num_hidden_layers": 3}
    config = {"model_type": "llama", "num_attention_heads": 6, "num_key_value_heads": 2, **sizes}
    (folder / "config.json").write_text(json.dumps(config))
    with loaded(read_model(folder)) as package:
        model = package.model.Model(package.model.Config())
        save_file(package.weights.save_huggingface(model), folder / "model.safetensors")


def drop_import(folder: Path) -> None:
    """As before the import, but with templates compiled."""
    (folder / "specs/tiny.yaml").unlink(missing_ok=True)
    for name in ("generated/tiny", "weights"):
        shutil.rmtree(folder / name, ignore_errors=True)


def nothing(folder: Path) -> None:
    """Leaves things as the last command left them."""


def single_cases() -> list[Case]:
    """Of this project's own specs."""
    build_one = [TGEN, "build", "specs/gpt.yaml", "--no-test"]
    build_all = [TGEN, "build", "--no-test"]
    import_tiny = [TGEN, "import", "tiny-llama", "--name", "tiny", "--no-test"]
    torch = [sys.executable, "-c", "import torch"]
    return [
        Case("python -c pass", [sys.executable, "-c", "pass"], nothing),
        Case("tgen --help", [TGEN, "--help"], nothing, 0.15),
        Case("tgen build specs/gpt.yaml --no-test, cold", build_one, clear, 0.8),
        Case("tgen build specs/gpt.yaml --no-test, nothing changed", build_one, nothing, 0.3),
        Case("tgen check specs/gpt.yaml", [TGEN, "check", "specs/gpt.yaml"], nothing, 0.2),
        Case("tgen build --no-test, all specs, cold", build_all, clear),
        Case("tgen check, all specs", [TGEN, "check"], nothing, 0.5),
        Case("tgen check, all specs, no verdicts", [TGEN, "check"], drop_verdicts),
        Case('python -c "import torch"', torch, nothing),
        Case("tgen import tiny-llama --no-test", import_tiny, drop_import),
    ]


def write_specs(folder: Path, count: int) -> None:
    """So many specs, each of this project's in turn, none like another."""
    sources = sorted((ROOT / "specs").glob("*.yaml"))
    folder.mkdir(parents=True)
    for number in range(count):
        source = sources[number % len(sources)]
        name = f"{source.stem}_{number:04d}"
        text = source.read_text().replace(f"name: {source.stem}\n", f"name: {name}\n")
        assert f"name: {name}\n" in text, source
        seed = f"\ntrain: {{seed: {number}}}\n" if "\ntrain:" not in text else f"\n# {number}\n"
        (folder / f"{name}.yaml").write_text(text + seed)


def change_one(folder: Path) -> None:
    """A spec is saved with another width of its clip."""
    path = sorted((folder / "specs").glob("gpt_char*.yaml"))[0]
    lines = [line for line in path.read_text().split("\n") if not line.startswith("# changed")]
    path.write_text("\n".join([*lines, f"# changed {time.time_ns()}"]))


def many_cases(count: int) -> list[Case]:
    """Of a project of many specs."""
    check, build = [TGEN, "check"], [TGEN, "build", "--no-test"]
    few = count <= 100
    return [
        Case(f"tgen build --no-test, {count} specs, cold", build, clear, 30 if few else None),
        Case(f"tgen check, {count} specs", check, nothing, 1 if few else 6),
        Case(f"tgen check, {count} specs, one changed", check, change_one, 1.5 if few else None),
        Case(f"tgen check, {count} specs, no verdicts", check, drop_verdicts, 15 if few else None),
    ]


def edit_template(folder: Path) -> None:
    """A comment that every model.py has is changed in this copy of tgen."""
    path = folder / "tool/templates/package/model.py.jinja"
    mark = f"# {time.time_ns()}"
    lines = [line for line in path.read_text().split("\n") if not line.startswith("# 1")]
    place = next(i for i, line in enumerate(lines) if line.startswith("from __future__"))
    path.write_text("\n".join([*lines[:place], mark, *lines[place:]]))


def template_cases(folder: Path) -> list[Case]:
    """A comment of a template changes, checked and rebuilt over all specs."""
    for name in ("codegen", "templates"):
        shutil.copytree(ROOT / name, folder / "tool" / name)
    tgen = ["env", f"PYTHONPATH={folder / 'tool'}", sys.executable, "-m", "codegen"]
    stale = ["sh", "-c", f"{' '.join(tgen)} check > /dev/null; test $? = 3"]
    specs = len(list((folder / "specs").glob("*.yaml")))
    return [
        Case(f"tgen check after it, {specs} specs", stale, edit_template),
        Case(
            f"tgen build --no-test after it, {specs} specs",
            [*tgen, "build", "--no-test"],
            edit_template,
        ),
    ]


def measure(cases: Sequence[Case], folder: Path, repeat: int) -> list[list[str]]:
    """A row a case; the first run of each only warms what the machine keeps."""
    rows = []
    for case in cases:
        timings = []
        for attempt in range(repeat + 1):
            case.prepare(folder)
            timing = timed(case.command, folder)
            timings += [timing] if attempt else []
        wall, cpu, peak = (
            statistics.median(getattr(timing, part) for timing in timings)
            for part in ("wall", "cpu", "peak")
        )
        goal = f"{case.goal:g}" if case.goal else ""
        rows.append([f"`{case.name}`", f"{wall:.3f}", f"{cpu:.3f}", f"{peak:.0f}", goal])
        print(rows[-1], flush=True)
    return rows


def project_of(folder: Path, write: Callable[[Path], object]) -> Path:
    """A folder that is a project, with specs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text("[tool.tgen]\n")
    write(folder / "specs")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=11)
    parser.add_argument("--many", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write benchmarks/README.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        own = project_of(Path(name) / "own", lambda specs: shutil.copytree(ROOT / "specs", specs))
        write_tiny_llama(own / "tiny-llama")
        rows = measure(single_cases(), own, options.repeat)
        drop_import(own)
        for count in (100, 1000):
            many = project_of(Path(name) / str(count), functools.partial(write_specs, count=count))
            rows += measure(many_cases(count), many, options.many if count == 100 else 1)
            shutil.rmtree(many)
        rows += measure(template_cases(own), own, options.many)
    header = ["command", "wall s", "CPU s", "peak MiB", "goal s"]
    count = len(list((ROOT / "specs").glob("*.yaml")))
    text = (
        f"{count} specs unless said otherwise; medians of {options.repeat}, of many specs and of a "
        f"changed template {options.many}, of 1000 specs one; two cores; {machine()}.\n\n"
    )
    text += markdown_table(header, rows)
    print(text)
    if options.write:
        replace_section("tool_speed", text)


if __name__ == "__main__":
    main()
