"""Other ways to the same end, each a program: PROGRAM sync FOLDER STORE MODEL | PROGRAM query STORE MODEL QUESTION."""
