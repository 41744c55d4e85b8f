"""``ragcli`` as it is, but that it commits every few passages.

    launcher.py SOCKET ARGUMENT...

SOCKET is a descriptor over which the process is supervised (syscalls.py), or - for none.
"""

import faulthandler
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import syscalls

from ragcli.__main__ import main
from ragcli.index.keywords import files
from ragcli.ingest import embed, sync
from ragcli.ingest.sandbox import frames

# so that a short run has many commits, and what is rewritten at times is rewritten each time
sync._COMMIT_CHUNKS = 6
files.MOST_DEAD = 0
# so that about half of the documents are large ones, which come in parts
frames.PART = 700
# one text at a time: in company, a float16 may be rounded the other way
embed.SLICE = 1

if os.environ.get("RAGCLI_TEST_LISTS"):
    from ragcli.index.vectors import approximate, optimize

    optimize.FEW_ENOUGH, optimize._MOST_NEWER = 8, 4
    approximate.LEAST_RECALL = 2  # so that all lists are read, and answers are those of an exact search

if __name__ == "__main__":
    channel, sys.argv = sys.argv[1], ["ragcli", *sys.argv[2:]]
    faulthandler.dump_traceback_later(240)
    if channel != "-":
        syscalls.install(int(channel))
    raise SystemExit(main())
