"""ragcli: grep for meaning."""

from ragcli._version import __version__

__all__ = ["__version__"]
