"""Files of JSON beside a config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from codegen.errors import CheckpointError
from codegen.importers.config import LARGEST


def read_json(path: Path) -> Any:
    """A JSON file; CheckpointError if it isn't there, or isn't one."""
    try:
        with path.open("rb") as file:
            return json.loads(file.read(LARGEST).decode("utf-8-sig"))
    except OSError as error:
        raise CheckpointError(f"{path}: can't be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not JSON that can be read: {error}") from None


def read_fields(path: Path) -> dict[str, Any]:
    """A JSON file that holds fields."""
    said = read_json(path)
    if not isinstance(said, dict):
        raise CheckpointError(f"{path}: not a mapping of fields")
    return said
