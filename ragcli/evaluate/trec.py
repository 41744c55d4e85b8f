"""Rankings in the TREC run format, for trec_eval and the tools around it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from ragcli.evaluate.stages import Ranking

_BLANK = re.compile(r"\s")


def write_run(ranking: Ranking, path: Path) -> None:
    """Write ``question Q0 document rank score tag`` lines; the tag is the stage.

    Scores fall by 1 from rank to rank: the tools rank by score and break ties each in its own way. White space in
    names, which the format cannot hold, is written as in a URL. OSError when ``path`` cannot be written.
    """
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for question, names in ranking.names.items():
            for rank, name in enumerate(names, 1):
                score = len(names) - rank + 1
                file.write(f"{_word(question)} Q0 {_word(name)} {rank} {score} {ranking.stage}\n")


def _word(name: str) -> str:
    return _BLANK.sub(lambda blank: quote(blank.group()), name)
