"""What docs/spec.md says of layers, from their vocabularies."""

from __future__ import annotations

from pydantic import BaseModel

from codegen.spec.network.blocks import BlockUse
from codegen.spec.network.fields import FunctionFields, NormFields
from codegen.spec.network.layers import KINDS

ABOUT = """\
## Layers of `family: network`

A layer is a word (`relu`), a word with its main field (`conv: 64`), or a word with its fields
(`conv: {width: 64, stride: 2}`). Any may also say `as: NAME`, under which its output is kept for
`add`, `concat`, `multiply` and `subtract`, and `when: CONDITION`, without which it is not there.

A name of `blocks` is a layer, too. It may be given numbers (`basic: {width: 64, stride: 2}`; a
number alone is the `width`) and `repeat: n`, of which only the first has the stride. Inside, its
layers see what the use gives, the block's defaults, `width` (by default the channels that come in),
`stride` (by default 1), `channels` and `positions` of what comes into each layer, `classes` and the
model's `numbers`, and nothing else.

A block may be a class of your own (`mine: {python: mine.py:Mine, out: {channels: width}}`): tgen
reads the file, which lies in the project and imports torch alone, and copies what the class needs
into the package. `out` says what it makes of the shape that comes in.

A number may be worked out: `+ - * /`, `floor`, `ceil`, `max`, `min` and `round_to(x, 8)`, the
nearest multiple that is no less than nine tenths of x. Inside `{ }` YAML ends a field at a comma,
so quote it: `{width: "max(channels, 16)"}`. A condition compares numbers, joins with `&`, `|` and
`~`, or is the name of a yes or no that a block is given.

In a spec with `extends`, `layers` may be a mapping: of the names that `as` gives to layers of the
spec below, each with a layer: `stem: {conv: {width: 32}}` says more of a `conv`, and a layer of
another kind stands in its place.
"""


def layer_notes() -> str:
    """A section for each kind of layer."""
    from codegen.spec.reference import section  # which asks every family for its notes

    by_model: dict[type[BaseModel], list[str]] = {}
    for kind, layer in KINDS.items():
        by_model.setdefault(layer, []).append(f"`{kind}`")
    parts = [ABOUT]
    for model, words in by_model.items():
        main = str(getattr(model, "main", ""))
        alone = f" (main field: `{'kind' if main == 'of' else main}`)" if main else ""
        parts.append(section(", ".join(words) + alone, model, skip=("kind", "keep", "when")))
    parts.append(
        section("Uses of a block", BlockUse, skip=("kind", "block", "given", "keep", "when"))
    )
    parts.append(section("A norm of a layer", NormFields))
    parts.append(section("An activation of a layer", FunctionFields))
    return "\n".join(parts)
