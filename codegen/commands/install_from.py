"""Where another machine gets this tgen from: a git commit, until the package index has it."""

from __future__ import annotations

import json
import os
import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from codegen import DISTRIBUTION
from codegen.errors import TgenError

# What a shell and YAML leave alone, with a revision behind the address.
GIT_URL = re.compile(r"git\+[a-z]+://[\w.~:/%+@-]+@[\w.~/+-]+(#subdirectory=[\w.~/+-]+)?")
SCP_LIKE = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!/)([\w.~/+-]+)")  # git@github.com:owner/repo.git
GIT_PATIENCE = 20.0  # seconds


def install_line(url: str) -> str:
    """The command that installs this tgen, and fails if the address holds anything else.

    pip compares the name with what the address's own metadata says, and asks no index for it.
    """
    if not GIT_URL.fullmatch(url):
        message = f"can't install tgen from {url!r}: it is no git URL with a commit"
        raise TgenError(message, hint="such as git+https://github.com/OWNER/REPO@COMMIT")
    return f'python -m pip install "{DISTRIBUTION} @ {url}"'


def known_source() -> str | None:
    """The git URL and commit of the tgen that runs, if other machines can reach it."""
    root = Path(__file__).parents[2]
    if (root / ".git").exists():
        return _of_clone(root)
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        return None
    if Path(str(installed.locate_file("codegen"))).resolve() != (root / "codegen").resolve():
        return None
    return _of_installation(installed)


def _of_installation(installed: Distribution) -> str | None:
    """What pip noted of where it installed from, in direct_url.json (PEP 610)."""
    try:
        noted = json.loads(installed.read_text("direct_url.json") or "{}")
        if "dir_info" in noted:
            return _of_clone(Path(urlsplit(noted["url"]).path))
        if noted["vcs_info"]["vcs"] != "git":
            return None
        return _pinned(noted["url"], noted["vcs_info"]["commit_id"], noted.get("subdirectory"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _of_clone(folder: Path) -> str | None:
    """The remote of a clone and its commit, if the remote has that commit."""
    url, commit = _git(folder, "remote", "get-url", "origin"), _git(folder, "rev-parse", "HEAD")
    if not url or not commit:
        return None
    if not _git(folder, "branch", "-r", "--contains", commit, "--list", "origin/*"):
        return None
    top = _git(folder, "rev-parse", "--show-toplevel")
    inside = os.path.relpath(folder.resolve(), Path(top or folder).resolve())
    return _pinned(url, commit, None if inside == "." else Path(inside).as_posix())


def _pinned(url: str, commit: str, subdirectory: str | None) -> str | None:
    """A git URL as pip takes it; None for an address of this machine alone."""
    if scp_like := SCP_LIKE.fullmatch(url):
        url = f"ssh://{scp_like[1]}/{scp_like[2]}"
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http", "ssh") or not parts.hostname:
        return None
    # Without anybody's key or password: the machines of CI have neither, and files are committed.
    scheme, port = parts.scheme, f":{parts.port}" if parts.port else ""
    if scheme == "ssh":
        scheme, port = "https", ""
    plain = urlunsplit((scheme, parts.hostname + port, parts.path, "", ""))
    pinned = f"git+{plain}@{commit}" + (f"#subdirectory={subdirectory}" if subdirectory else "")
    return pinned if GIT_URL.fullmatch(pinned) else None


def _git(folder: Path, *words: str) -> str | None:
    import subprocess  # slow to import, and an installed tgen needs none

    command = ["git", "-C", str(folder), *words]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=GIT_PATIENCE, env=clean, text=True
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
