"""The fields that `--set` overrides, said in full."""

from __future__ import annotations

from pydantic import BaseModel

from codegen.errors import Diagnostic, SpecError
from codegen.spec.yaml.field_names import nearest
from codegen.spec.yaml.source import Tree


def in_full(override: Tree, model: type[BaseModel]) -> Tree:
    """`layers=4` as `model.layers=4`, by the rule of `variants`; SpecError if it may be several.

    What the top of a spec has, and what no field is called, stays as it is.
    """
    (name,) = override.data
    if name in model.model_fields:
        return override
    found = nearest(name, model)
    if len(found) > 1:
        dotted = [".".join(map(str, field)) for field in found]
        message = f"`{name}` may be {', '.join(dotted[:-1])} or {dotted[-1]}"
        where = override.position((name,), of_key=True)
        raise SpecError(Diagnostic(message, where, f"for example --set {dotted[0]}=..."))
    above = found[0][:-1] if found else ()
    data = override.data
    for key in reversed(above):
        data = {key: data}
    spans = {(*above, *key): span for key, span in override.spans.items()}
    top = override.spans[(name,)]
    spans |= {above[:end]: top for end in range(1, len(above) + 1)}
    return Tree(data, spans)
