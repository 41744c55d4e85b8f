"""Which of the titles in a file's metadata say something about its content."""

from __future__ import annotations

import re
from pathlib import Path

_LONGEST = 200
_LETTERS = re.compile(r"[^\W\d_]{2}|[\u3040-\u30ff\u3400-\u9fff]")

# What programs put there on their own: the name of the file or of the template, their own name.
_NO_TITLE = re.compile(
    r"untitled|unbenannt|sans titre|arxiv:\d|microsoft (?:office )?(?:word|excel|powerpoint)\b|\S*[/\\]\S*\Z"
    r"|(?:power ?point |word )?(?:presentation|document|slide|dokument|präsentation) ?\d*\Z"
    r"|\(?(?:anonymous|unspecified|none|null|title)\)?\Z"
    r"|.*\.(?:pdf|docx?|pptx?|xlsx?|odt|odp|rtf|txt|tex|dvi|ps|eps|indd|qxd|pmd|fm|html?|wpd|pub|md)\Z",
    re.IGNORECASE,
)


def is_title(text: str, path: Path) -> bool:
    """True when ``text`` can be the title of the document in ``path``; not so the name of a file or a program."""
    if not 3 <= len(text) <= _LONGEST or text.casefold() == path.stem.casefold():
        return False
    return _NO_TITLE.match(text) is None and _LETTERS.search(text) is not None
