"""Which files does a question enter on its way through ``ragcli query``, and how often?

    python -m benchmarks.walk INDEX "how are logs rotated?"

A file is entered when one of its functions is called, from another file, with the question as an argument: its text, or
the object that holds it. Prints the files in the order of their first call.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import ragcli
from ragcli.cli.app import main as ragcli_main
from ragcli.types import Question, Results

PACKAGE = Path(ragcli.__file__).parent


def main() -> None:
    index, question = sys.argv[1:]
    entered: Counter[str] = Counter()
    last = ""

    def holds(value: object) -> bool:
        match value:
            case str():
                return value == question
            case list() | tuple():
                return any(holds(one) for one in value)
            case Question():
                return value.text == question
            case Results():
                return value.query == question
        return False

    def on_call(frame: FrameType, event: str, _: object) -> None:
        nonlocal last
        path, code = Path(frame.f_code.co_filename), frame.f_code
        if event != "call" or not path.is_relative_to(PACKAGE):
            return
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if any(holds(frame.f_locals.get(name)) for name in names):
            name = path.relative_to(PACKAGE).as_posix()
            entered[name] += name != last
            last = name

    sys.argv = ["ragcli", "query", "--index", index, question]
    sys.setprofile(on_call)
    ragcli_main()
    sys.setprofile(None)
    for name, times in entered.items():
        print(f"{times:4}  {name}", file=sys.stderr)
    print(f"{entered.total():4}  entries into {len(entered)} files", file=sys.stderr)


if __name__ == "__main__":
    main()
