"""Rules by the ends of names say what a table says, in few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codegen.plan.suffixes import SuffixRule, fact_of, suffix_rules


def said(table: dict[str, str], otherwise: str = "normal") -> list[tuple[tuple[str, ...], str]]:
    return [(rule.suffixes, rule.fact) for rule in suffix_rules(table, otherwise)]


def test_what_all_names_share_needs_no_rule() -> None:
    assert said({"a.weight": "normal", "b.weight": "normal"}) == []


def test_an_end_is_as_short_as_tells_names_apart() -> None:
    table = {
        "embedding.weight": "normal",
        "blocks.0.q_proj.weight": "normal",
        "blocks.0.q_proj.bias": "zeros",
        "blocks.1.q_proj.bias": "zeros",
        "blocks.0.attention_norm.weight": "ones",
        "norm.weight": "ones",
        "norm.bias": "zeros",
    }
    assert said(table) == [(("bias",), "zeros"), (("norm.weight",), "ones")]


def test_an_end_begins_with_a_whole_part_of_a_name_where_it_may() -> None:
    table = {"mlp.alpha_p": "zeros", "mlp.alpha_n": "zeros", "mlp.up_proj.weight": "normal"}
    assert said(table) == [(("alpha_p", "alpha_n"), "zeros")]
    table = {"attention_layer_scale": "ones", "mlp_layer_scale": "ones", "up.weight": "normal"}
    assert said(table) == [(("layer_scale",), "ones")]


def test_rules_that_come_first_may_make_later_ones_shorter() -> None:
    table = {
        "q_norm.weight": "ones",
        "mlp_norm.weight": "zeros",
        "norm.weight": "zeros",
        "up.weight": "normal",
    }
    assert said(table) == [(("q_norm.weight",), "ones"), (("norm.weight",), "zeros")]


def test_a_layer_that_differs_is_named_by_its_number() -> None:
    table = {f"blocks.{i}.sinks": "normal" for i in range(20)} | {"blocks.3.sinks": "zeros"}
    assert said(table) == [(("blocks.3.sinks",), "zeros")]


def test_facts_whose_names_nest_are_refused() -> None:
    table = {"a.b.c": "ones", "b.c": "zeros", "c": "ones"}
    with pytest.raises(AssertionError, match="tell apart"):
        suffix_rules(table, "normal")


NAMES = st.lists(
    st.sampled_from(["norm", "q_proj", "k_proj", "weight", "bias", "0", "1", "blocks", "up"]),
    min_size=1,
    max_size=4,
).map(".".join)


@given(st.dictionaries(NAMES, st.sampled_from(["normal", "ones", "zeros", "half"]), max_size=8))
def test_rules_reproduce_the_table_or_say_that_none_do(table: dict[str, str]) -> None:
    try:
        rules = suffix_rules(table, "normal")
    except AssertionError as error:
        nests = any(a != b and a.endswith(b) for a in table for b in table)
        assert "tell apart" in str(error) and nests
        return
    assert {name: fact_of(name, rules, "normal") for name in table} == table
    assert len({rule.fact for rule in rules}) == len(rules)


def test_rules_are_the_same_whatever_the_hash_seed() -> None:
    table = {f"{a}_{b}.weight": a for a in "abcd" for b in "xy"}
    rules = suffix_rules(table, "a")
    assert rules == tuple(
        SuffixRule((f"{fact}_x.weight", f"{fact}_y.weight"), fact) for fact in "bcd"
    )


def test_an_end_that_is_a_beginning_elsewhere_is_said_with_what_it_is_part_of() -> None:
    table = {
        "mlp.down_proj.weight": "normal",
        "mlp.experts.down_proj": "scaled",
        "mlp.experts.up_proj": "normal",
    }
    assert said(table) == [(("experts.down_proj",), "scaled")]
