"""What the tasks of tokens share: tokenizers, the separator, the size of a sequence."""

from __future__ import annotations

from typing import Protocol

from codegen.frozen import frozen
from codegen.plan.contract import Network
from codegen.plan.files import FilePlan
from codegen.plan.reads import Largest, Read
from codegen.plan.tasks.task import ANSWERS, FIGURES, OptionPlan, TaskPlan
from codegen.spec.tasks.text import TextData

DOCUMENTS = "document_ids"
TOKENIZER_FILE = "tokenizer.json"
EVALUATE = (  # of corpora
    FilePlan("evaluate.py", "tasks/text/evaluate.py.jinja", roots=("main",)),
    FIGURES,
    ANSWERS,
)
FILES = FilePlan("files.py", "tasks/text/files.py.jinja", roots=())
CORPUS_FILES = (
    FILES,
    FilePlan("tokens.py", "tasks/text/tokens.py.jinja", roots=()),
    FilePlan("encode.py", "tasks/text/encode.py.jinja", roots=()),
)
CORPUS_OPTIONS = (
    OptionPlan(
        "data", "tuple[str, ...]", (), "texts, folders or patterns; or .bin, .npy of tokens"
    ),
    OptionPlan("field", "str", "text", "of .jsonl and parquet, where the text is"),
    OptionPlan("cache", "str", "", "folder to keep tokens of texts in; else tokens/ beside OUT"),
)
HELD_OUT_OPTION = OptionPlan(
    "validation_data", "tuple[str, ...]", (), "as --data, to hold out instead of a fraction"
)
TEXTS = FilePlan("texts.py", "tasks/text/texts.py.jinja", roots=())  # that a model is asked about
EVALUATE_TESTS = "tasks/text/tests/evaluation.py.jinja"


class TokenNetwork(Network, Protocol):
    """What the tasks of tokens read of a network, whatever its family."""

    @property
    def context_length(self) -> int:
        """The most tokens that it reads at a time."""

    @property
    def carries(self) -> bool:
        """Whether training goes on from what the batch before has left."""

    @property
    def decodes(self) -> bool:
        """Whether it makes tokens one by one, with a cache."""

    @property
    def rereads(self) -> tuple[Read, ...]:
        """How long a text may be before decoding reads it all again."""

    @property
    def decoding_error(self) -> str:
        """By how much decoding may differ from a full forward, relative and absolute."""

    @property
    def takes_back(self) -> str:
        """Whether decoding can forget what has been read: `always`, `within a window`, `never`."""

    @property
    def past_recall(self) -> str:
        """A template: what a test finds too long ago to be taken back; "" where all can be."""

    @property
    def cache_room(self) -> str:
        """A template: how a cache gets more room, where it has an end, and how a row is emptied."""

    @property
    def bounded(self) -> bool:
        """Whether what decoding keeps grows with each token, up to a length."""

    @property
    def prefix(self) -> str:
        """Whether the length of one that sees itself is `given` or `fixed`; "" for none."""

    @property
    def prefix_length(self) -> Read | Largest | None:
        """Of a fixed one."""


@frozen
class TextTask(TaskPlan):
    """A task of tokens; `inputs` are what the model reads of a batch beside them."""

    inputs: tuple[str, ...] = ()
    prefix: str = ""  # whether the length of one that sees itself is `given` or `fixed`
    prefix_length: Read | Largest | None = None  # of a fixed one
    separator: str = ""  # a document's, or a target's
    words: bool = False  # whether tokens may be words
    source_tokenizer: str = ""  # of sources, where they have one of their own
    sampling: str = ""  # what sample.py does, as a sentence
    prompt: str = ""  # what it goes on from, such as "prompt"
    sampling_options: tuple[OptionPlan, ...] = ()
    decoder: bool = False  # whether what is made begins with a token of its own
    generation: bool = False  # whether a generation_config.json may lie beside the weights
    streams: bool = False  # whether each row of a batch goes on where it was in the one before
    bounded: bool = False  # whether what decoding keeps grows with a text, up to a length
    takes_back: bool = False  # whether decoding can forget whatever it has read last
    speculates: bool = False  # whether a smaller model may guess ahead
    chats: bool = False  # whether a tokenizer's file may say how a chat becomes a text
    answers: bool = False  # whether what an assistant says in chats is learned
    codes: bool = False  # whether each token is a target, so that losses say what a text costs

    @property
    def hides_special(self) -> bool:
        """Whether texts are shown without the special tokens of a tokenizer's file."""
        return self.decoder or self.generation

    @property
    def documents(self) -> bool:
        """Whether masks tell documents apart."""
        return DOCUMENTS in self.inputs and not self.answers  # whose rows are one when used


@frozen
class WholeTextTask(TextTask):
    """A task of whole texts: the columns that its data have, and the most tokens that are read."""

    columns: tuple[str, ...] = ()
    context: int = 0
    labels: tuple[str, ...] = ()  # the classes' names, where the spec says them
    classes: bool = False  # whether the last column holds classes
    problem: str = ""  # what they are scored for: single_label, multi_label or regression
    pair: bool = False  # whether two texts are read together
    prompts: tuple[tuple[str, str], ...] = ()  # before texts that are embedded, by name
    prompt: str = ""  # the one that is there by default
    types: bool = False  # whether the model tells the tokens of the two apart


def separator_of(tokenizer: str, said: str | None) -> str:
    """The token that ends a document, or a target."""
    return said or {"file": "<|endoftext|>", "word": "<s>"}.get(tokenizer, "\n")


def tokenizer_option(data: TextData) -> OptionPlan:
    """Which tokenizer; that from a file has no default."""
    default = "" if data.tokenizer == "file" else data.tokenizer
    return OptionPlan("tokenizer", "str", default, "char, byte or the path of a tokenizer.json")


def documents_option(separator: str) -> OptionPlan:
    """The separator of documents."""
    help = "the token that ends a document: its text or its number"
    return OptionPlan("separator", "str", separator, help)


def training_command(data: str, said: TextData) -> str:
    """What a run on some data is started with: a tokenizer's file has to be said."""
    return data + f" --tokenizer {TOKENIZER_FILE}" * (said.tokenizer == "file")


def sampling_files(data: str, sample: str, generation: bool) -> tuple[FilePlan, ...]:
    """The files of a task whose models make text; `data` and `sample` are templates of two."""
    known = FilePlan("generation.py", "tasks/text/generation.py.jinja", roots=())
    return (
        FilePlan("data.py", data, roots=()),
        *((known,) if generation else ()),
        FilePlan("sample.py", sample, roots=("main",)),
    )


def sampling_options(
    tokens: str, temperature: float, generation: bool, *more: OptionPlan
) -> tuple[OptionPlan, ...]:
    """How many tokens are made, what `more` there is to say of it, and how they are drawn."""
    penalty = "above 1: tokens that are there already are less likely"
    top_k = "draw from the k likeliest tokens only; 0: from all"
    top_p = "draw from the likeliest with this share only"
    min_p = "draw none less likely than this share of the likeliest"
    return (
        OptionPlan("tokens", "int", 200, tokens),
        *more,
        OptionPlan("temperature", "float", temperature, "0: always the likeliest token"),
        OptionPlan("top_k", "int", 0, top_k),
        OptionPlan("top_p", "float", 1.0, top_p),
        OptionPlan("min_p", "float", 0.0, min_p),
        *((OptionPlan("repetition_penalty", "float", 1.0, penalty),) if generation else ()),
        OptionPlan("seed", "int", 1, "of the draws"),
    )
