"""What a family brings to the spec language."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from codegen.spec.head import SpecHead
from codegen.spec.owned import built, of_task
from codegen.spec.synonyms import Synonyms
from codegen.spec.tasks import task_of
from codegen.spec.tasks.task import Check
from codegen.spec.yaml.source import Tree

if TYPE_CHECKING:
    from codegen.spec.network.own_code import OwnCode


# Of a spec, its tree, its file and the project's folder.
ReadCode = Callable[[Any, Tree, Path, Path], "OwnCode | None"]


@dataclass(frozen=True, eq=False)
class FamilyLanguage:
    """A family's vocabulary with its tasks, what is checked of its specs, how they are compared.

    `whole` has the fields of every task, each marked for those that have it. The first of the tasks
    is what a spec is about that names none, if `default` is set.
    """

    whole: type[SpecHead]
    tasks: tuple[str, ...]
    checks: tuple[Check, ...]
    knobs: Callable[[Any], dict[str, str]]  # of a spec: each knob and its position, in words
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of `model`, by task
    default: str | None = None  # the task of a spec that names none
    notes: Callable[[], str] | None = None  # Markdown, after its fields in docs/spec.md
    synonyms: Synonyms = field(default_factory=Synonyms)  # others' words for its own
    code: ReadCode | None = None  # reads the user's own code that specs may name

    @functools.cache  # noqa: B019 - there is one language a family
    def spec(self, task: str) -> type[SpecHead]:
        """The specs of a task: the family's fields of it, and the task's own."""
        mine, named = of_task(self.whole, task), Literal[self.tasks]
        data = task_of(task).data
        about = SpecHead.model_fields
        values = {
            "task": Field(self.default or ..., description=about["task"].description),
            "data": Field(data(), description=about["data"].description),
        }
        return built(mine, task, {"task": named, "data": data}, values)

    @functools.cached_property
    def _any_task(self) -> type[SpecHead]:
        """Specs whose task nobody knows: with the fields of all."""
        values: dict[str, Any] = {"task": Field(self.default or ...), "data": Field({})}
        return built(
            self.whole, "any", {"task": Literal[self.tasks], "data": dict[str, Any]}, values
        )

    def spec_of(self, said: Mapping[str, Any]) -> type[SpecHead]:
        """The specs of the task that is said; of all tasks where that is none of them."""
        task = said.get("task", self.default)
        return self.spec(task) if isinstance(task, str) and task in self.tasks else self._any_task
