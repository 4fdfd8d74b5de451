"""Checks of the kernels that read quantised weights, for a process of their own.

TRITON_INTERPRET=1 must be set before triton is imported, so the tests run this file:
`python quantized_checks.py FOLDER` runs the checks on the package in FOLDER and prints what failed
as JSON.
"""

from __future__ import annotations

import importlib
import itertools
import json
import math
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

TOLERANCE = {torch.float32: 2e-6, torch.float16: 1e-3}  # of the largest number
Weights = tuple[Tensor, ...]  # codes, and what scales them
# Outputs, inputs: more and less than a block, and sizes that no block divides.
SHAPES = ((1, 32), (7, 96), (33, 512), (40, 544), (9, 192), (5, 384), (70, 160))


def ops() -> ModuleType:
    return importlib.import_module("quantized.ops")


def int8(outputs: int, inputs: int, dtype: torch.dtype = torch.float32) -> tuple[Weights, Tensor]:
    """Codes with their scales, and the weights themselves in float64."""
    codes = torch.randint(-128, 128, (outputs, inputs), dtype=torch.int8)
    scale = (torch.rand(outputs) / 100 + 0.001).to(dtype)
    return (codes, scale), codes.double() * scale.double()[:, None]


def int4(outputs: int, inputs: int, group: int) -> tuple[Weights, Tensor]:
    """The same of four bits: two in a byte, and scaled group by group."""
    codes = torch.randint(16, (outputs, inputs))
    scales = (torch.randn(inputs // group, outputs, 2) / 10).bfloat16()
    pairs = (codes[:, ::2] + 16 * codes[:, 1::2]).to(torch.uint8)
    weights = [
        sizes[:, :1] * (part - 8) + sizes[:, 1:]
        for sizes, part in zip(scales.double(), torch.split(codes, group, 1), strict=True)
    ]
    return (pairs, scales), torch.cat(weights, 1)


def close(got: Tensor, x: Tensor, weights: Tensor, what: str) -> None:
    expected = x.double() @ weights.T
    assert got.dtype == x.dtype and got.shape == expected.shape, f"{what}: {got.shape}, {got.dtype}"
    worst = (got.double() - expected).abs().max().item()
    bound = TOLERANCE[x.dtype] * expected.abs().max().item()
    assert worst <= bound, f"{what} in {x.dtype}: off by {worst}, more than {bound}"


def row_counts(count: int) -> Iterator[int]:
    """One row, the most, and some between."""
    return iter((1, 16, *random.Random(count).sample(range(2, 16), count)))


def check_int8_products() -> None:
    for dtype, (outputs, inputs) in itertools.product(TOLERANCE, SHAPES):
        for rows, scales in zip(row_counts(1), (torch.float32, torch.bfloat16, dtype), strict=True):
            given, weights = int8(outputs, inputs, scales)
            x = torch.randn(rows, inputs, dtype=dtype)
            what = f"{rows} x {inputs} -> {outputs}"
            close(ops().int8_linear(x, *given), x, weights, what)


def check_int4_products() -> None:
    for dtype, (outputs, inputs) in itertools.product(TOLERANCE, SHAPES):
        for group in {16, math.gcd(inputs, 256)}:
            given, weights = int4(outputs, inputs, group)
            for rows in row_counts(1):
                x = torch.randn(rows, inputs, dtype=dtype)
                what = f"{rows} x {inputs} -> {outputs}, groups of {group}"
                close(ops().int4_linear(x, *given, group), x, weights, what)


def check_every_count_of_rows() -> None:
    (codes, scale), wide = int8(21, 160)
    (pairs, scales), narrow = int4(21, 160, 32)
    for rows in range(1, 17):
        x = torch.randn(rows, 160)
        close(ops().int8_linear(x, codes, scale), x, wide, f"{rows} rows of int8")
        close(ops().int4_linear(x, pairs, scales, 32), x, narrow, f"{rows} rows of int4")
    empty = ops().int8_linear(torch.randn(0, 160), codes, scale)
    assert empty.shape == (0, 21)


def check_rows_of_several_axes_and_strides() -> None:
    (codes, scale), wide = int8(12, 64)
    (pairs, scales), narrow = int4(12, 64, 32)
    base = torch.randn(4, 6, 80)
    for x in (
        base[:, :1, :64],
        base[:2, ::2, 8:72],
        base[:1, :1, 16:],
        torch.randn(64, 3, 2).permute(1, 2, 0),
        torch.randn(64).expand(3, 64),
        torch.randn(1, 128)[:, ::2],
    ):
        close(ops().int8_linear(x, codes, scale), x, wide, f"int8 of {x.stride()}")
        close(ops().int4_linear(x, pairs, scales, 32), x, narrow, f"int4 of {x.stride()}")


def check_what_torch_s_own_product_of_4_bits_gives() -> None:
    """The codes and scales mean what torch means by them; it computes in bfloat16."""
    (pairs, scales), _ = int4(32, 128, 32)
    codes = torch.stack((pairs & 15, pairs >> 4), -1).flatten(1).to(torch.int32)
    packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(codes, 2)
    x = torch.randn(5, 128).bfloat16()
    theirs = torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, 32, scales).float()
    ours = ops().int4_linear(x.float(), pairs, scales, 32)
    assert (ours - theirs).abs().max() < 2e-2 * theirs.abs().max()


def check_same_bits_each_time() -> None:
    given, _ = int4(40, 1056, 32)
    for rows in (1, 3):
        x = torch.randn(rows, 1056)
        first, second = (ops().int4_linear(x, *given, 32) for _ in range(2))
        assert torch.equal(first, second)


def check_a_compiled_graph_is_whole() -> None:
    (codes, scale), (pairs, scales) = int8(12, 64)[0], int4(64, 12 * 16, 32)[0]
    module = ops()

    def step(x: Tensor) -> Tensor:
        h: Tensor = module.int8_linear(x, codes, scale).repeat(1, 1, 16).relu()
        y: Tensor = module.int4_linear(h, pairs, scales, 32)
        return y if module.reads_codes(x) else -y

    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 1, 64)
    with torch.no_grad():
        assert torch.equal(compiled(x), step(x))


def check_registrations() -> None:
    """torch.library's own checks: schemas and fake outputs."""
    kernels = importlib.import_module("quantized.kernels")
    tests = ("test_schema", "test_faketensor")
    for rows in (1, 2):
        x = torch.randn(rows, 3, 64)[:, :1]
        torch.library.opcheck(kernels.int8_linear_op, (x, *int8(5, 64)[0]), test_utils=tests)
        torch.library.opcheck(
            kernels.int4_linear_op, (x, *int4(5, 64, 32)[0], 32), test_utils=tests
        )


def check_who_may_read_codes() -> None:
    reads, x = ops().reads_codes, torch.randn(16, 1, 8)
    assert reads(x) and reads(x[:1]) and not reads(torch.randn(17, 8))
    assert not reads(x.requires_grad_())
    with torch.no_grad():
        assert reads(x)
    with torch.inference_mode():
        assert reads(x)
    module: Any = ops()
    module.INTERPRETED = False
    try:
        assert not reads(torch.randn(1, 8))  # on a CPU
    finally:
        module.INTERPRETED = True


def check_a_backward_pass_is_refused() -> None:
    x = torch.randn(2, 32).requires_grad_()
    for y in (ops().int8_linear(x, *int8(3, 32)[0]), ops().int4_linear(x, *int4(3, 32, 32)[0], 32)):
        refused("no autograd formula", partial(torch.autograd.backward, y.sum()), RuntimeError)


def check_errors_name_the_value() -> None:
    x, (codes, scale), (pairs, scales) = torch.randn(2, 64), int8(5, 64)[0], int4(5, 64, 32)[0]
    eight, four = ops().int8_linear, ops().int4_linear
    refused("17 rows", lambda: eight(torch.randn(17, 64), codes, scale))
    refused("(2, 63)", lambda: eight(x[:, :63], codes, scale))
    refused("(64,)", lambda: eight(x[0], codes, scale))
    refused("torch.uint8", lambda: eight(x, pairs, scale))
    refused("torch.int8", lambda: four(x, codes, scales, 32))
    refused("(4,)", lambda: eight(x, codes, scale[:4]))
    refused("(2, 5, 2)", lambda: four(x, pairs, scales, 64))
    refused("groups of 48", lambda: four(x, pairs, scales, 48))
    refused("groups of 128 in 64", lambda: four(x, pairs, scales, 128))
    refused("float64", lambda: eight(x.double(), codes, scale))
    refused("strides (1, 5)", lambda: eight(x, codes.T.contiguous().T, scale))
    refused("meta", lambda: eight(x, codes.to("meta"), scale))


def refused(word: str, call: Callable[[], object], kind: type[Exception] = ValueError) -> None:
    try:
        call()
    except kind as error:
        assert word in str(error), f"{word!r} is not in {error}"
    else:
        raise AssertionError(f"nothing is said of {word}")


CHECKS = tuple(name for name in dir() if name.startswith("check_"))


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    failed = {}
    for name in CHECKS:
        torch.manual_seed(0)
        start = time.perf_counter()
        try:
            globals()[name]()
        except Exception:
            failed[name] = traceback.format_exc()
        print(f"{name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
    print(json.dumps(failed))


if __name__ == "__main__":
    main()
