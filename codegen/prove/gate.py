"""The gate: kernels and targets in, the tiles to launch with out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from codegen.errors import TgenError
from codegen.plan.kernels.kernel import Kernel, Tile
from codegen.plan.targets import known_targets, read_target
from codegen.prove.cache import recall, remember, request_key
from codegen.prove.ladder import ChosenTile, climb
from codegen.prove.pool import Pool, triton_version
from codegen.prove.requests import requests
from codegen.prove.usage import Request, Usage, worst

Progress = Callable[[int, int, str], None]  # done, of how many, what was done last
Result = TypeVar("Result")


def prove(
    source: str,
    kernels: Sequence[Kernel],
    targets: Sequence[str],
    cache: Path,
    jobs: int,
    progress: Progress | None = None,
    keep: Path | None = None,
    fixed: Mapping[Kernel, Tile] | None = None,
) -> list[ChosenTile]:
    """A tile for every kernel of the module `source` on every target, kernels outermost.

    `cache` is where compilations are remembered, `keep` a folder for the assembly of the chosen
    ones (KERNEL.TARGET.ptx, .sass, .amdgcn). `fixed` gives the tile of kernels that are launched in
    one way only. TgenError names all pairs that nothing fits.
    """
    found = survey(source, kernels, targets, cache, jobs, progress, keep, fixed)
    errors = [error for error in found if isinstance(error, TgenError)]
    if errors:
        raise TgenError(finding for error in errors for finding in error.diagnostics)
    return [choice for choice in found if isinstance(choice, ChosenTile)]


def survey(
    source: str,
    kernels: Sequence[Kernel],
    targets: Sequence[str],
    cache: Path,
    jobs: int,
    progress: Progress | None = None,
    keep: Path | None = None,
    fixed: Mapping[Kernel, Tile] | None = None,
) -> list[ChosenTile | TgenError]:
    """As `prove`, with the error in the place of a choice where there is none."""
    pairs = [(kernel, target) for kernel in kernels for target in targets]
    with Pool(jobs) as pool:
        compiler = _Compiler(source, cache, pool, fixed)

        def choose(kernel: Kernel, target: str) -> ChosenTile | TgenError:
            try:
                return compiler.choose(kernel, target, _stem(keep, kernels, kernel, target))
            except TgenError as error:
                return error

        def named(index: int) -> str:
            return f"{pairs[index][0].name} on {pairs[index][1]}"

        work = [lambda kernel=k, target=t: choose(kernel, target) for k, t in pairs]
        return _in_parallel(work, jobs, named, progress)


def measure(
    source: str,
    work: Sequence[tuple[Kernel, Tile, str]],
    cache: Path,
    jobs: int,
    progress: Progress | None = None,
) -> list[Usage]:
    """What kernels use with given tiles on given targets, without judging."""
    with Pool(jobs) as pool:
        compiler = _Compiler(source, cache, pool)
        tasks = [lambda k=k, tile=tile, t=t: compiler.usage(k, tile, t) for k, tile, t in work]
        return _in_parallel(tasks, jobs, lambda index: work[index][0].name, progress)


def targets_for(named: Sequence[str], everything: bool, meant: str) -> tuple[str, ...]:
    """The GPUs to compile for: those named, or else the ones that a spec's target may mean."""
    known = known_targets()
    if named:
        return tuple(dict.fromkeys(read_target(name).name for name in named))
    if everything or meant == "any":
        return known
    fits = tuple(name for name in known if meant in (name, read_target(name).backend))
    if not fits:
        raise TgenError(f"the spec's target `{meant}` has no kernels", "name one: --target sm_90")
    return fits


class _Compiler:
    """Compiles one module's kernels, remembering what was compiled."""

    def __init__(
        self, source: str, cache: Path, pool: Pool, fixed: Mapping[Kernel, Tile] | None = None
    ) -> None:
        self.source, self.cache, self.pool = source, cache, pool
        self.fixed = fixed or {}
        self.triton = triton_version()

    def choose(self, kernel: Kernel, target: str, keep: Path | None) -> ChosenTile:
        facts = read_target(target)
        choice = climb(
            kernel,
            facts,
            lambda tile: self.usage(kernel, tile, target),
            self.fixed.get(kernel),
        )
        if keep:
            asked = requests(self.source, kernel, choice.tile, facts)
            for number, request in enumerate(asked, 1):
                part = f"-{number}" if len(asked) > 1 else ""
                self.pool.compile(request, keep.with_name(keep.name.replace(".", f"{part}.", 1)))
        return choice

    def usage(self, kernel: Kernel, tile: Tile, target: str) -> Usage:
        asked = requests(self.source, kernel, tile, read_target(target))
        return worst([self._compiled(request) for request in asked])

    def _compiled(self, request: Request) -> Usage:
        key = request_key(request, self.triton)
        usage = recall(self.cache, key)
        if usage is None:
            usage = self.pool.compile(request)
            remember(self.cache, key, usage)
        return usage


def _stem(keep: Path | None, kernels: Sequence[Kernel], kernel: Kernel, target: str) -> Path | None:
    """Where a kernel's assembly goes; records of one function are numbered from the second on."""
    if keep is None:
        return None
    same = [other for other in kernels if other.name == kernel.name]
    number = same.index(kernel) + 1
    return keep / f"{kernel.name}{f'_{number}' if number > 1 else ''}.{target}"


def _in_parallel(
    work: Sequence[Callable[[], Result]],
    jobs: int,
    named: Callable[[int], str],
    progress: Progress | None,
) -> list[Result]:
    """The results in the order of the work; on an error or interrupt, what waits is dropped."""
    threads = ThreadPoolExecutor(jobs)
    try:
        futures = {threads.submit(task): index for index, task in enumerate(work)}
        for done, future in enumerate(as_completed(futures), 1):
            future.result()
            if progress:
                progress(done, len(work), named(futures[future]))
        return [future.result() for future in futures]
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
