"""Fields that only some tasks have: a vocabulary written once, and what each task's specs read.

A field is marked where it is written:

    classes: Annotated[Positive, Only("image-classification")] = Field(1000)

`of_task(model, "causal-lm")` is the same vocabulary without it. There the field is unknown to a
spec, and the code that reads specs finds its default.
"""

from __future__ import annotations

import functools
import types
from typing import Annotated, Any, ClassVar, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo

from codegen.frozen import frozen
from codegen.spec.fields import Vocabulary, is_mapping

Model = TypeVar("Model", bound=BaseModel)


@frozen
class Only:
    """A mark on a field, or on a member of a union: the tasks whose specs have it."""

    tasks: tuple[str, ...]

    def __init__(self, *tasks: str) -> None:
        object.__setattr__(self, "tasks", tasks)


@frozen
class Repeats:
    """A mark on a field whose mapping has fields that are documented, and named, elsewhere."""


def is_repeated(field: FieldInfo) -> bool:
    """Whether a field's mapping repeats the fields of others."""
    return any(isinstance(mark, Repeats) for mark in field.metadata)


def tasks_of(field: FieldInfo) -> tuple[str, ...] | None:
    """The tasks that a field is marked for; None for a field of all."""
    return next((mark.tasks for mark in field.metadata if isinstance(mark, Only)), None)


@functools.cache
def of_task(model: type[Model], task: str) -> type[Model]:
    """The vocabulary as a task has it: a subclass, or the class itself if nothing differs."""
    annotations: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        tasks = tasks_of(field)
        if tasks is not None and task not in tasks:
            annotations[name] = ClassVar[Any]
            values[name] = field.get_default(call_default_factory=True)
        elif (kind := _annotation(field.annotation, task)) is not field.annotation:
            annotations[name] = _annotated(kind, *field.metadata)
            values[name] = Field(_default(field, task), description=field.description)
    return built(model, task, annotations, values) if annotations else model


def built(
    model: type[Model], task: str, annotations: dict[str, Any], values: dict[str, Any]
) -> type[Model]:
    """A subclass for one task, with other fields."""
    name = model.__name__ + "".join(part.capitalize() for part in task.split("-"))
    about = {"__module__": model.__module__, "__qualname__": name, "__doc__": model.__doc__}
    space = {**about, "__annotations__": annotations, **values}
    made: type[Model] = types.new_class(name, (model,), {}, lambda names: names.update(space))
    return made


def _default(field: FieldInfo, task: str) -> Any:
    if field.is_required():
        return ...
    default = field.get_default(call_default_factory=True)
    if not isinstance(default, Vocabulary):
        return default
    own, said = of_task(type(default), task), default.said()
    return own(**said) if said else own.plain()


def _annotation(annotation: Any, task: str) -> Any:
    """The type with the task's own mappings in it, and without members of other tasks."""
    if is_mapping(annotation):
        return of_task(annotation, task)
    arguments, origin = get_args(annotation), get_origin(annotation)
    if origin is Annotated:
        inner = _annotation(arguments[0], task)
        return annotation if inner is arguments[0] else _annotated(inner, *arguments[1:])
    if origin in (Union, types.UnionType):
        members = [_annotation(one, task) for one in arguments if _is_of(one, task)]
        same = len(members) == len(arguments)
        if same and all(a is b for a, b in zip(members, arguments, strict=True)):
            return annotation
        return Union[tuple(members)]  # noqa: UP007 - of as many members as are left
    if origin in (list, dict):
        members = [_annotation(one, task) for one in arguments]
        if all(a is b for a, b in zip(members, arguments, strict=True)):
            return annotation
        return origin[tuple(members)]
    return annotation


def _annotated(kind: Any, *metadata: Any) -> Any:
    return Annotated[(kind, *metadata)] if metadata else kind


def _is_of(member: Any, task: str) -> bool:
    marks = [mark for mark in get_args(member)[1:] if isinstance(mark, Only)]
    return all(task in mark.tasks for mark in marks)
