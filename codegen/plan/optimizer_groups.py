"""Which of an optimizer's groups has which parameter, as rules by the ends of names."""

from __future__ import annotations

from collections.abc import Iterable

from codegen.frozen import frozen
from codegen.plan.suffixes import SuffixRule, suffix_rules
from codegen.plan.tables import Group, Parameter


@frozen
class OptimizerGroups:
    """How the training script tells a model's parameters apart.

    Those of one axis are vectors, and of the others those whose names end in one of `vectors`. Of
    what is left the first of `tables` that matches a name says whether it is of an embedding or of
    a head; the rest are matrices, or `stacked` ones. `frozen`: some parameters aren't trained.
    """

    vectors: tuple[str, ...]
    tables: tuple[SuffixRule[Group], ...]
    frozen: bool
    stacked: bool = False


def optimizer_groups(parameters: Iterable[Parameter]) -> OptimizerGroups:
    """The rules that give each trained parameter the group that the parameter table says."""
    rows = tuple(parameters)
    trained = [row for row in rows if row.trained]
    of_one_axis = [row for row in trained if len(row.shape) < 2]
    assert all(row.group == "vector" for row in of_one_axis), "what has one axis is a vector"
    wide = [row for row in trained if len(row.shape) > 1]
    vectors = suffix_rules({row.name: row.group == "vector" for row in wide}, otherwise=False)
    left: dict[str, Group] = {r.name: r.group for r in wide if r.group != "vector"}
    ends = vectors[0].suffixes if vectors else ()
    tables: tuple[SuffixRule[Group], ...] = suffix_rules(left, otherwise="matrix")
    stacked = any(len(row.shape) > 2 for row in trained if row.group == "matrix")
    return OptimizerGroups(ends, tables, len(trained) < len(rows), stacked)
