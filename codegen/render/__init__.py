"""Stage 3: Plan -> {path: text}."""

from codegen.render.render import (
    at_templates,
    check_templates,
    environment,
    package_roots,
    render_package,
)

__all__ = ["at_templates", "check_templates", "environment", "package_roots", "render_package"]
