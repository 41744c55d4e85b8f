"""Where figures go: one JSON file a benchmark, with what it was measured on."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import time
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"
_PACKAGES = ("ragcli", "faiss-cpu", "numpy", "sentence-transformers", "tantivy", "tokenizers", "torch")


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Write ``results/<name>.json`` and return its path."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    record = {
        "benchmark": name,
        "figures": figures,
        "measured": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip() or None,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
        "packages": {package: importlib.metadata.version(package) for package in _PACKAGES},
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return path
