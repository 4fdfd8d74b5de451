"""What `tgen check` says."""

from __future__ import annotations

from codegen.report.findings import PRINTERS, Checked, findings_of, text


def check_report(
    checked: Checked, form: str, *, diff_only: bool = False, names: bool = False
) -> None:
    """Prints what a check found: `form` is text, json, github or sarif."""
    found = findings_of(checked)
    if diff_only or names:
        text(checked, found, diff_only=diff_only, names=names)
    else:
        PRINTERS[form](checked, found)
