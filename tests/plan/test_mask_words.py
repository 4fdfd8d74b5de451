"""Masks in plain English."""

from __future__ import annotations

import pytest

from codegen.plan.masks.words import sentence
from codegen.spec.masks.tree import parse_mask


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        ("causal", "itself and all before it"),
        ("causal & window(5)", "itself and the 4 before it"),
        ("causal & (window(5) | sink(4))", "itself and the 4 before it, and the first 4 tokens"),
        ("prefix(1)", "the first token"),
        ("padding", "all but padding"),
        ("window(3, 3) & padding", "the 2 before it, itself and the 2 after it, padding aside"),
    ],
)
def test_who_sees_whom_is_said_as_a_person_would(mask: str, words: str) -> None:
    assert sentence(parse_mask(mask), mask) == f"each token sees {words}"
