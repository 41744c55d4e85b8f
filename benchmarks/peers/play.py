"""Runs one of the programs beside this one, which are written as a user of that library would write them.

play.py PROGRAM sync FOLDER STORE MODEL      make or bring up to date
play.py PROGRAM query STORE MODEL [QUESTION] the ten best; without a question, those on stdin, one a line

For each question a line of JSON: the paths of the documents, best first.
"""

import json
import runpy
import sys
from pathlib import Path

program, task, *arguments = sys.argv[1:]
functions = runpy.run_path(program)
if task == "sync":
    folder, store, model = arguments
    functions["sync"](Path(folder), Path(store), model)
else:
    store, model, *questions = arguments
    search = functions["searcher"](Path(store), model)
    for question in questions or sys.stdin:
        print(json.dumps(search(question.strip())))
