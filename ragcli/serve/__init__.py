"""Processes that stay: an engine that keeps models and indexes open, and its faces over HTTP, MCP and the command line.

``engine`` answers, ``questions`` says what can be asked, ``http`` and ``mcp`` are how programs ask, ``client`` is how
the command line asks, and ``watch`` keeps an index up to date.
"""
