"""What many tests share: where things are, and an index of the sample documents made once a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

PROJECT = Path(__file__).resolve().parents[1]
SAMPLES = PROJECT / "sample_docs"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch):
    """No setting of the person who runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith("RAGCLI_") or name in {"NO_COLOR", "FORCE_COLOR"}]:
        if name not in {"RAGCLI_CACHE"}:
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def sample_home(tmp_path_factory, worker_id) -> Path:
    """A home folder whose index "samples" holds sample_docs/, built by the real command."""
    base = tmp_path_factory.getbasetemp()
    # the workers of pytest-xdist are processes with folders of their own: the first one builds, the others wait
    home = (base if worker_id == "master" else base.parent) / "sample-home"
    with filelock.FileLock(home.with_suffix(".lock")):
        if not (home / "samples").exists():
            done = run_ragcli("index", str(SAMPLES), "--home", str(home), "--index", "samples")
            assert done.returncode == 0, done.stderr
    return home


def run_ragcli(
    *arguments: str, stdin: str = "", cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "ragcli", *arguments],
        input=stdin, capture_output=True, text=True, errors="surrogateescape", cwd=cwd, check=False, timeout=300,
        env={**os.environ, **variables},
    )  # fmt: skip


@pytest.fixture
def ragcli(tmp_path) -> Run:
    """Run the command with a home of this test's own."""
    variables = {"RAGCLI_HOME": str(tmp_path / "home")}

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        return run_ragcli(*arguments, **{**variables, **options})

    return run
