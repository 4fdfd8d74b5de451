"""`python -m codegen` is `tgen`."""

from codegen.cli import main

main(prog_name="tgen")
