"""Stage 3: Plan -> {path: text}."""

from codegen.render.render import package_roots, render_package

__all__ = ["package_roots", "render_package"]
