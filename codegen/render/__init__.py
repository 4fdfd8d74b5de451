"""Stage 3: Plan -> {path: text}."""

from codegen.render.render import environment, package_roots, render_package

__all__ = ["environment", "package_roots", "render_package"]
