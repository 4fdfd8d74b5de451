"""The low-rank branch beside attention that LAuReL adds (arXiv:2411.07501)."""

from __future__ import annotations

from dataclasses import replace

from codegen.frozen import frozen
from codegen.plan.reads import Read
from codegen.plan.tables import Argument


@frozen
class LowRankPlan:
    """The class of a low-rank branch, and where its rank is read."""

    class_name: str
    rank: Read

    @property
    def template(self) -> str:
        """What makes its class."""
        return "transformer/low_rank.py.jinja"

    @property
    def given_numbers(self) -> tuple[Read, ...]:
        """What its class is given of the config: nothing, it reads what it needs."""
        return ()

    @property
    def base_name(self) -> str:
        """How its class is called where the model has no other of its kind."""
        return "LowRank"

    def named(self, class_name: str) -> LowRankPlan:
        """The plan with the name of its class."""
        return replace(self, class_name=class_name)

    @property
    def per_layer(self) -> bool:
        """Whether it has to know which layer it is in."""
        return self.rank.by_layer

    @property
    def state(self) -> None:
        """What decoding keeps of each of its layers: nothing."""

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """What its forward takes beside the stream: nothing."""
        return ()
