"""Embedding models: a name becomes files on this machine, and files become an encoder and a tokenizer.

``resolve`` finds the files and checks them; ``library`` and ``hub`` are two of the places it looks in. ``encoder``
opens them: ``bert`` is the numpy runtime of the query path, ``sentence`` wraps sentence-transformers for everything
else. Nothing here imports torch until a function that needs it is called.
"""
