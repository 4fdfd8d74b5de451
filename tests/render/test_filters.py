"""Values in generated code: they read as a person would type them, and Python reads them back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.render.filters import commands, literal

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
LARGE = st.integers(10**9, 10**17).map(float)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (50257, "50_257"),
        (1024, "1024"),
        (2**30, "2**30"),
        (2**30 + 1, "1_073_741_825"),
        (1e-5, "1e-5"),
        (500000.0, "500_000.0"),
        (1e6, "1e6"),
        (1048576.0, "1_048_576.0"),
        (989.4e12, "989.4e12"),
        (1.3074e15, "1.3074e15"),
        ((1024,) * 5, "(1024,) * 5"),
        (((512,) * 5 + (None,)) * 4, "((512,) * 5 + (None,)) * 4"),
        (((512,) * 5 + (None,)) * 4 + (512, 512), "(((512,) * 5 + (None,)) * 4 + (512, 512))"),
        ((64, 128, 256) + (512,) * 5, "((64, 128, 256) + (512,) * 5)"),
        ((8,) * 5 + (16, 24), "(8, 8, 8, 8, 8, 16, 24)"),
        ((1, 2, 3), "(1, 2, 3)"),
    ],
)
def test_a_value_is_written_as_people_write_it(value: object, text: str) -> None:
    assert literal(value) == text


@given(st.lists(st.integers(0, 2)), st.integers(0, 5), st.lists(st.integers(0, 2)))
def test_python_computes_the_tuple(unit: list[int], times: int, rest: list[int]) -> None:
    value = (*unit * times, *rest)
    assert eval(literal(value)) == value


@given(NUMBERS | LARGE | st.text() | st.booleans() | st.none())
def test_python_reads_the_value_back(value: object) -> None:
    found = eval(literal(value), {"__builtins__": {}})
    assert found == value and type(found) is type(value)


def test_a_long_command_goes_on_in_a_next_line() -> None:
    short = "    python -m short --resume  # with what it is for\n"
    name = "a_package_with_a_name_that_is_long"
    long = f"    torchrun --nproc-per-node 2 -m generated.{name}.train --resume  # on two devices\n"
    wanted = (
        f"    torchrun --nproc-per-node 2 -m generated.{name}.train \\\n"
        "        --resume  # on two devices\n"
    )
    assert commands(short) == short
    assert commands(short + long) == short + wanted
    longer = "    " + " ".join(["python", *(f"--option-{n} {n}" for n in range(30))]) + "\n"
    lines = commands(longer).splitlines()
    assert max(map(len, lines)) <= 100 and all(line.endswith(" \\") for line in lines[:-1])
    assert " ".join(" ".join(lines).replace("\\", "").split()) == longer.strip()
