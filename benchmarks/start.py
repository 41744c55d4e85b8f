"""What does starting cost: help, version and a completion, against importing Typer alone?

python -m benchmarks.start [--rounds 21]
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.harness import Command, figures, print_table, run_rounds
from benchmarks.results import write_result

COMPLETION = {"_RAGCLI_COMPLETE": "complete_bash", "COMP_WORDS": "ragcli query x --format vim", "COMP_CWORD": "4"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21)
    rounds = parser.parse_args().rounds
    ragcli = [sys.executable, "-m", "ragcli"]
    tasks = {
        "python -c pass": Command([sys.executable, "-c", "pass"]),
        "import typer": Command([sys.executable, "-c", "import typer"]),
        "ragcli --version": Command([*ragcli, "--version"]),
        "ragcli --help": Command([*ragcli, "--help"]),
        "ragcli query --help": Command([*ragcli, "query", "--help"]),
        "completion": Command(ragcli, variables=COMPLETION),
    }
    table = figures(run_rounds(tasks, rounds), "import typer")
    print_table(table, "import typer")
    write_result("start", {"rounds": rounds, "against import typer": table})


if __name__ == "__main__":
    main()
