"""tgen: a compiler from a short YAML model spec to the PyTorch one would have written by hand."""

__version__ = "0.1.0"
DISTRIBUTION = "tgen-compiler"  # `tgen` on PyPI is another project
