"""Where pairs of texts come from, and how they become tokens: options and commands."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.tasks.task import OptionPlan
from codegen.plan.tasks.text import TOKENIZER_FILE
from codegen.spec.head import SpecHead
from codegen.spec.tasks.seq2seq_lm import PairData

ENDS = "<|endoftext|>"
FILES = "tuple[str, ...]"
OF_TARGETS, OF_SOURCES = "en.json", "de.json"  # in examples, of files that are one for each side


def pair_options(spec: SpecHead, said: PairData, separator: str) -> tuple[OptionPlan, ...]:
    """Where the pairs are, how they become tokens, which are held out, and which are shown."""
    data = "pairs: texts of lines, a source, a tab and its target each, or .jsonl; or .gz of one"
    source = "in place of --data: files with a source on each line"
    held_out = "fraction of the pairs held out, the last ones; or a file of others"
    separator_help = "the token before a target and at its end: its text or its number"
    return (
        OptionPlan("data", FILES, (), data),
        OptionPlan("source", FILES, (), source),
        OptionPlan("target", FILES, (), "and as many with their targets"),
        *_tokenizers(said),
        OptionPlan("separator", "str", separator, separator_help),
        OptionPlan("validation", "str", str(float(spec.train.validation)), held_out),
        OptionPlan("validation_source", FILES, (), "like --source, of pairs that are held out"),
        OptionPlan("validation_target", FILES, (), "and their targets"),
        OptionPlan("examples", "int", 3, "pairs held out of which validation shows answers", 0),
    )


def _tokenizers(said: PairData) -> Iterator[OptionPlan]:
    """Which tokenizers; one from a file has no default."""
    which = "word, " * has_words(said) + "char, byte or the path of a tokenizer.json"
    if said.source_tokenizer:
        own = "" if said.source_tokenizer == "file" else said.source_tokenizer
        yield OptionPlan("source_tokenizer", "str", own, f"of sources: {which}")
        which = f"of targets: {which}"
    yield OptionPlan("tokenizer", "str", "" if said.tokenizer == "file" else said.tokenizer, which)
    if has_words(said):
        yield OptionPlan("lowercase", "bool", said.lowercase, "words in lower case")


def has_words(said: PairData) -> bool:
    """Whether tokens of a side are words."""
    return "word" in (said.tokenizer, said.source_tokenizer)


def special_token(said: PairData, separator: str) -> str:
    """That of a tokenizer that the package trains; "" if it trains none."""
    if "file" not in (said.tokenizer, said.source_tokenizer):
        return ""
    return separator if said.tokenizer == "file" and not separator.isdecimal() else ENDS


def kept_files(said: PairData) -> tuple[str, ...]:
    """What is kept of the data beside checkpoints."""
    of_sources = ("source_tokenizer.json",) if said.source_tokenizer else ()
    return ("tokenizer.json", *of_sources)


def pair_command(said: PairData) -> str:
    """What a run is started with: tokenizers from files have to be said."""
    command = "--data pairs.tsv"
    if said.tokenizer == "file":
        command += f" --tokenizer {OF_TARGETS if said.source_tokenizer else TOKENIZER_FILE}"
    return command + f" --source-tokenizer {OF_SOURCES}" * (said.source_tokenizer == "file")


def preparing_commands(said: PairData) -> Iterator[tuple[str, str]]:
    """How the tokenizers that come from files are trained."""
    command = "train-tokenizer --data pairs.tsv"
    if said.source_tokenizer is None:
        yield from [("data", command)] * (said.tokenizer == "file")
        return
    if said.source_tokenizer == "file":
        yield "data", f"{command} --side source --out {OF_SOURCES}"
    if said.tokenizer == "file":
        yield "data", f"{command} --side target --out {OF_TARGETS}"
