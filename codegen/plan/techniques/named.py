"""What techniques say of parameters by their names has to be of some."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from codegen.errors import Diagnostic, SpecError
from codegen.plan.tables import Parameter
from codegen.plan.techniques.technique import TechniquePlan
from codegen.spec import LoadedSpec
from codegen.spec.yaml.characters import word


def check_named(
    loaded: LoadedSpec, techniques: Iterable[TechniquePlan], parameters: Iterable[Parameter]
) -> None:
    """SpecError if a pattern matches the name of no parameter."""
    names = [row.name for row in parameters]
    findings = [
        Diagnostic(
            f"no parameter is called `{word(pattern)}`",
            loaded.tree.position(key),
            f"names are such as `{names[-1]}`",
        )
        for technique in techniques
        for key, pattern in technique.named
        if not any(fnmatchcase(name, pattern) for name in names)
    ]
    if findings:
        raise SpecError(findings)
