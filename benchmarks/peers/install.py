"""The others, each in a virtual environment of its own over one that has what all of them need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
PINNED = ("torch", "sentence-transformers", "transformers", "numpy", "faiss-cpu")


@dataclass(frozen=True)
class Peer:
    """What to install, and the program beside this one; None: commands of its own."""

    packages: tuple[str, ...]
    program: str | None


PEERS = {
    "ragcli": Peer((str(PROJECT),), None),
    "script": Peer(("sentence-transformers", "faiss-cpu"), "script.py"),
    "Chroma": Peer(("chromadb", "sentence-transformers"), "chroma.py"),
    "LanceDB": Peer(("lancedb", "sentence-transformers"), "lance.py"),
    "txtai": Peer(("txtai",), "txtai_.py"),
    "LlamaIndex": Peer(("llama-index-core", "llama-index-embeddings-huggingface"), "llamaindex.py"),
    "Haystack": Peer(("haystack-ai", "sentence-transformers"), "haystack_.py"),
    "llm": Peer(("llm", "llm-sentence-transformers"), None),
}


def install(venv: Path, peer: Peer, base: Path) -> dict[str, Any]:
    """Make the environment over ``base`` if there is none; the size of both without pip, and versions."""
    python = venv / "bin" / "python"
    make(base, ("torch", "sentence-transformers"))
    make(venv, peer.packages, base)
    listing = [python, "-E", "-m", "pip", "list", "--format=json"]
    done = subprocess.run(listing, capture_output=True, text=True, check=True)
    versions = {row["name"]: row["version"] for row in json.loads(done.stdout)}
    wanted = {"torch", "sentence-transformers", *(Path(package).name for package in peer.packages)}
    if str(PROJECT) in peer.packages:
        wanted.add("ragcli")
    own, shared = size(libraries(venv)), size(libraries(base))
    return {
        "MiB": round((own + shared) / 2**20),
        "of that torch and sentence-transformers": round(shared / 2**20),
        "packages": len(versions),
        "versions": {name: versions[name] for name in sorted(wanted & versions.keys())},
    }


def make(venv: Path, packages: tuple[str, ...], base: Path | None = None) -> None:
    """A virtual environment with these packages; what ``base`` has is not installed again."""
    if (venv / "made").exists():
        return
    shutil.rmtree(venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    if base is not None:
        (libraries(venv) / "base.pth").write_text(f"{libraries(base)}\n")
    pins = venv / "pins.txt"
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins.write_text("\n".join(line for line in lines if line.partition("==")[0] in PINNED))
    pip = [venv / "bin" / "python", "-E", "-m", "pip", "install", "--quiet", "--constraint", pins]
    subprocess.run([*pip, *packages], check=True)
    (venv / "made").touch()


def libraries(venv: Path) -> Path:
    return next((venv / "lib").glob("python*/site-packages"))


def size(place: Path) -> int:
    """Bytes of a file, or of the files in a folder; pip and setuptools, which every environment has, apart."""
    if place.is_file():
        return place.stat().st_size
    entries = [entry for entry in place.iterdir() if entry.name.partition("-")[0] not in {"pip", "setuptools"}]
    files = (file for entry in entries for file in ([entry] if entry.is_file() else entry.rglob("*")))
    return sum(file.lstat().st_size for file in files if file.is_file())
