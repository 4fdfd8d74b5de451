"""What the frame of a package knows of a network, whatever its family."""

from __future__ import annotations

from typing import Protocol

from codegen.plan.tables import ConfigField, ImportPlan, Parameter


class Network(Protocol):
    """A class of model.py with its config, and the table of its parameters."""

    @property
    def class_name(self) -> str:
        """Of the module that users construct."""

    @property
    def fields(self) -> tuple[ConfigField, ...]:
        """Of its config."""

    @property
    def imports(self) -> tuple[ImportPlan, ...]:
        """What model.py takes from its siblings."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """What callers say of each row, beside what the task reads."""

    @property
    def required(self) -> tuple[str, ...]:
        """Those of its inputs that have to be said."""

    @property
    def drops(self) -> bool:
        """Whether training drops numbers or branches at random."""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The only truth of initialisation, optimizer groups, decay and import."""
