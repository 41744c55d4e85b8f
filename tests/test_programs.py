"""The programs beside the package, benchmarks/ and training/, still find what they take from it."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]

# what a program of benchmarks/peers/ takes is in an environment of its own
PROGRAMS = sorted(
    ".".join(path.relative_to(PROJECT).with_suffix("").parts)
    for folder in ("benchmarks", "training")
    for path in (PROJECT / folder).glob("*.py")
)


def test_every_program_can_be_imported():
    assert "benchmarks.cold_query" in PROGRAMS
    done = subprocess.run(
        [sys.executable, "-c", f"import {', '.join(PROGRAMS)}"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
