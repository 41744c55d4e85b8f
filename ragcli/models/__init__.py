"""Embedding models and rerankers: a name becomes files on this machine, and files become a model that runs.

``resolve`` finds the files and checks them; ``library`` and ``hub`` are two of the places it looks in. ``open`` chooses
the runtime: ``numpy`` for questions and bulk work on a CPU, ``torch`` (sentence-transformers) for everything else.
Nothing here imports torch until a function that needs it is called.
"""
