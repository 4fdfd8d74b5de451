"""What a person reads first about a recurrent network."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.plan.plan import Description
from codegen.plan.recurrent.network import RecurrentNetwork
from codegen.plan.units import human
from codegen.spec.recurrent.resolve import encoder_sizes
from codegen.spec.recurrent.vocabulary import RecurrentModel

CELLS = {
    "lstm": "Hochreiter and Schmidhuber, Long Short-Term Memory (Neural Computation, 1997)",
    "gru": "Cho et al., Learning Phrase Representations (arXiv:1406.1078), section 2.3",
    "rnn": "Elman, Finding Structure in Time (Cognitive Science, 1990)",
}
KINDS = {
    "causal-lm": "a language model of",
    "seq2seq-lm": "an encoder-decoder of",
    "sequence-classification": "a classifier of texts of",
    "tagging": "a tagger of words of",
}
NAMES = {"lstm": "LSTM", "gru": "GRU", "rnn": "Elman network"}
BAHDANAU = "Bahdanau et al., Neural Machine Translation by Jointly Learning (arXiv:1409.0473)"
LUONG = "Luong et al., Effective Approaches to Attention-based NMT (arXiv:1508.04025)"
PAPERS = {
    "projection": "Sak et al., Long Short-Term Memory Based Networks (arXiv:1402.1128)",
    "tied": "Press and Wolf, Using the Output Embedding (arXiv:1608.05859)",
    "locked": "Gal and Ghahramani, Dropout in Recurrent Networks (arXiv:1512.05287)",
    "both_ends": "Schuster and Paliwal, Bidirectional Recurrent Neural Networks (IEEE, 1997)",
    "max": "Conneau et al., Supervised Learning of Sentence Representations (arXiv:1705.02364)",
    "pairs": "Sutskever et al., Sequence to Sequence Learning (arXiv:1409.3215)",
    "additive": BAHDANAU,
    "dot": LUONG,
    "bilinear": LUONG,
}
POOLED = {
    "mean": "the mean over its tokens is scored",
    "max": "the largest over its tokens of each number is scored",
    "last": "what has read all of it is scored",
}
SCORES = {"additive": "additive", "dot": "dot-product", "bilinear": "bilinear"}


def describe(name: str, network: RecurrentNetwork, model: RecurrentModel) -> Description:
    """Title, notable choices and papers."""
    count = sum(row.count for row in network.parameters)
    layers = str(model.layers)
    if network.encoder:
        layers = f"{encoder_sizes(model).layers} + {layers}"
    kind = KINDS[network.task]
    plural = "s" if layers != "1" else ""
    title = (
        f"{name}: {kind} {layers} {NAMES[model.cell]} layer{plural} "
        f"with {human(count).strip()} parameters."
    )
    facts = [*_facts(network, model)]
    papers = dict.fromkeys(PAPERS[key] for _, key in facts if key)
    return Description(title, tuple(fact for fact, _ in facts), (CELLS[model.cell], *papers))


def _facts(network: RecurrentNetwork, model: RecurrentModel) -> Iterator[tuple[str, str]]:
    """What is notable, and which paper it comes from."""
    yield f"states of {model.width} numbers", ""
    if model.projection:
        yield f"of which layers hand on {model.projection}", "projection"
    if network.encoder:
        sizes = encoder_sizes(model)
        ways = "from both ends" if sizes.directions > 1 else "from its beginning"
        yield f"a source is read {ways}", "pairs"
        yield _looks(network), network.attention.score if network.attention else ""
    elif network.stack.bidirectional:
        yield "a text is read from both ends", "both_ends"
    if network.pooling:
        yield POOLED[network.pooling], "max" if network.pooling == "max" else ""
    if network.tied:
        yield "the head shares the token embedding", "tied"
    if network.drops:
        locked = ", the same at all times of a sequence" if network.dropout.locked else ""
        yield f"dropout{locked}", "locked" if locked else ""


def _looks(network: RecurrentNetwork) -> str:
    """How the decoder looks at the source."""
    attention = network.attention
    if attention is None:
        return "of which the decoder knows the encoder's last states"
    where = "before" if attention.before else "after"
    fed = ", whose outcome is fed to the next token" if attention.feeding else ""
    return f"{SCORES[attention.score]} attention to it {where} each step of the cell{fed}"
