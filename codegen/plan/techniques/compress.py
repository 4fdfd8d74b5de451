"""What techniques share that make a trained model smaller: the script, and what it measures."""

from __future__ import annotations

from codegen.plan.files import FilePlan

COMPRESS_FILES = (
    FilePlan("compress.py", "package/compress/compress.py.jinja", roots=("main",)),
    FilePlan("curve.py", "package/compress/curve.py.jinja", roots=("main",)),
    FilePlan("runs.py", "package/compress/runs.py.jinja", roots=()),
)
