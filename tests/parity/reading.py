"""How long a text was when its tokens were read, which rotary positions may depend on."""

from __future__ import annotations

import numpy as np

from codegen.plan.transformer.network import TransformerNetwork
from tests import oracle


class Reading:
    """What a cache holds of rows: `inputs` has the length of the longest row at each token.

    LongRoPE has all of it read again where the longest row outgrows an original context.
    """

    def __init__(self, net: TransformerNetwork, lengths: oracle.Array, time: int) -> None:
        self.by_length = any(rope.by_length for rope in net.ropes)
        fields = oracle.fields(net)
        again = [rope.name for rope in net.ropes if rope.scaling == "longrope"]
        self.borders = [fields[f"{name}_original_context_length"] for name in again]
        self.lengths = lengths
        self.read_at = np.full((len(lengths), time), lengths.max())
        self.turned = lengths.max()  # the longest row when tokens were last read

    @property
    def inputs(self) -> dict[str, oracle.Array]:
        return {"read_at": self.read_at} if self.by_length else {}

    def select(self, rows: oracle.Array) -> oracle.Array:
        """The lengths of all rows, of those that are not among `rows` from now on 0."""
        self.lengths = np.where(np.isin(np.arange(len(self.lengths)), rows), self.lengths, 0)
        return self.lengths

    def append(self, parts: oracle.Array) -> None:
        """So many tokens more in each row."""
        before, self.lengths = self.lengths, self.lengths + parts
        longest = self.lengths.max()
        if any((self.turned > border) != (longest > border) for border in self.borders):
            self.read_at[:] = longest
        self.turned = longest
        for row, (start, end) in enumerate(zip(before, self.lengths, strict=True)):
            self.read_at[row, start:end] = longest
