"""What a check found: worked out once, printed in one of four formats."""

from __future__ import annotations

from codegen.report.findings.checked import Checked
from codegen.report.findings.collect import findings_of
from codegen.report.findings.document import document
from codegen.report.findings.finding import RULES, Finding, Rule
from codegen.report.findings.github import github
from codegen.report.findings.sarif import sarif
from codegen.report.findings.text import text

__all__ = ["PRINTERS", "RULES", "Checked", "Finding", "Rule", "findings_of", "text"]

PRINTERS = {"text": text, "json": document, "github": github, "sarif": sarif}
