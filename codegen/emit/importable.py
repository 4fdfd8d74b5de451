"""Under which name Python would import what lies in a folder: any Python, on any system."""

from __future__ import annotations

import sys
from importlib.machinery import all_suffixes

SOURCES = (".py", ".pyw", ".pyc", ".pyo")
EXTENSIONS = (".so", ".pyd", ".fwork")  # a tag of the Python that it is for may stand before
OF_OTHER_VERSIONS = (
    "annotationlib asynchat asyncore audioop binhex cgi cgitb chunk compression crypt distutils "
    "imghdr imp mailcap nntplib pipes smtpd sndhdr spwd sunau telnetlib tomllib uu "
    "xdrlib _distutils_hack"
)
FOR_ITSELF = (  # nothing imports these, and "test" is what many call a folder of their own
    "antigravity idlelib lib2to3 test this turtledemo"
)
STANDARD = frozenset(
    name.casefold()
    for name in {*sys.stdlib_module_names, *OF_OTHER_VERSIONS.split()} - {*FOR_ITSELF.split()}
)
AT_THE_START = {"sitecustomize", "usercustomize"}  # whatever runs, where PYTHONPATH leads there
OF_OTHERS = (  # what generated code imports, and what that needs in turn
    "numpy torch torchgen functorch safetensors triton tokenizers PIL pyarrow matplotlib rich tqdm "
    "tensorboard wandb "
    "sacrebleu pytest _pytest pluggy iniconfig packaging exceptiongroup tomli filelock "
    "typing_extensions sympy mpmath networkx jinja2 markupsafe fsspec setuptools pkg_resources "
    "huggingface_hub yaml contourpy cycler dateutil fontTools kiwisolver pyparsing six "
    "mpl_toolkits pylab markdown_it mdurl pygments colorama portalocker regex tabulate lxml "
    "transformers"
)
INSTALLED = frozenset(OF_OTHERS.split())


def module_of(name: str, is_folder: bool) -> str | None:
    """The module that a file or folder of this name is to Python, or None."""
    if is_folder:
        return name if name.isidentifier() else None
    for suffix in (*SOURCES, *all_suffixes()):
        stem = name[: -len(suffix)]
        if name.lower().endswith(suffix) and stem.isidentifier():
            return stem
    if not name.lower().endswith(EXTENSIONS):
        return None
    stem = name.partition(".")[0]
    if name.lower().endswith(".pyd") and stem.endswith("_d"):  # of a Python for debugging
        stem = stem.removesuffix("_d")
    return stem if stem.isidentifier() else None


def hidden_by(module: str, imported: frozenset[str] = frozenset()) -> str | None:
    """What a top-level module of this name hides, in words; case counts on some systems only.

    `imported` are names that are imported here, beside those that all generated code imports.
    """
    name = module.casefold()
    if name in AT_THE_START:
        return "Python may run it before all else"
    if name in STANDARD:
        return f"it hides Python's own `{name}`"
    for known in (*INSTALLED, *imported):
        if name == known.casefold():
            return f"it hides `{known}`, which the packages import"
    return None
