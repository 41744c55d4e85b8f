"""A folder of small documents that changes as notes do: files come, go, are edited, renamed and copied."""

import random
import shutil
from pathlib import Path

_WORDS = [
    "harbour", "boat", "lighthouse", "keeper", "storm", "ledger", "copper", "kettle", "orchard", "apple",
    "comet", "dust", "clock", "market", "bread", "oven", "river", "bridge", "ferry", "lantern", "archive",
    "letter", "winter", "garden", "stone", "wall", "violin", "teacher", "map", "compass", "island", "bell",
    "engine", "wheel", "paper", "ink", "glass", "window", "snow", "train", "station", "ticket", "mountain",
    "valley", "sheep", "wool", "loom", "thread", "colour", "salt", "barrel",
]  # fmt: skip

QUESTIONS = (
    "where is the lighthouse keeper in a storm?",
    "copper kettle and salt barrel",
    "winter garden",
    "a train ticket to the mountain",
)


_MOST = 14  # documents, so that a long series stays quick


class Corpus:
    """The documents below ``folder``; the same seed makes the same changes."""

    def __init__(self, folder: Path, seed: int, documents: int = 10) -> None:
        self.folder = folder
        self._rng = random.Random(seed)
        self._made = 0
        self.changes = 0  # how often it changed since it was made
        for name in ("", "deep/er"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for _ in range(documents):
            self._add()

    def change(self) -> None:
        """Add, edit, remove, rename and copy a few."""
        self.changes += 1
        for _ in range(self._rng.randint(1, 3)):
            self._add()
        for act in (self._edit, self._remove, self._rename, self._copy):
            if len(self.files()) > 4 and self._rng.random() < 0.7:
                act(self._rng.choice(self.files()))
        while len(self.files()) > _MOST:
            self._remove(self._rng.choice(self.files()))
        if self._rng.random() < 0.3:
            (self.folder / "empty.txt").write_text(" " * self._rng.randint(0, 3))

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*.*") if path.name != "empty.txt")

    def _add(self) -> None:
        self._free().write_text(self._text(), encoding="utf-8")

    def _edit(self, path: Path) -> None:
        parts = path.read_text(encoding="utf-8").split("\n\n")
        parts.insert(self._rng.randint(0, len(parts)), self._sentence())
        path.write_text("\n\n".join(parts), encoding="utf-8")

    def _remove(self, path: Path) -> None:
        path.unlink()

    def _rename(self, path: Path) -> None:
        path.rename(self._free())

    def _copy(self, path: Path) -> None:
        shutil.copyfile(path, self._free())

    def _free(self) -> Path:
        self._made += 1
        return self.folder / self._rng.choice(("", "deep/er")) / f"note-{self._made}{self._rng.choice(('.md', '.txt'))}"

    def _text(self) -> str:
        sections = [f"# {self._sentence()}", self._sentence()]
        for _ in range(self._rng.randint(1, 3)):
            sections += [f"## {self._sentence()}", " ".join(self._sentence() for _ in range(self._rng.randint(1, 6)))]
        return "\n\n".join(sections) + "\n"

    def _sentence(self) -> str:
        words = self._rng.sample(_WORDS, self._rng.randint(4, 12))
        return f"The {' '.join(words)} {self._rng.randint(1, 10**6)}."
