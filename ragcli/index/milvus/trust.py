"""The Milvus servers that the user has named on this machine, in the list of ``ragcli.trust``.

An index may come from anyone: that it names a server does not mean that questions may be sent there.
"""

from __future__ import annotations

from ragcli import trust
from ragcli.errors import UsageError


def trust_server(endpoint: str) -> None:
    """Remember that the user named ``endpoint`` as a place for vectors."""
    if endpoint not in trust.entries():
        trust.add_entry(endpoint, "store")


def distrust_server(endpoint: str) -> bool:
    """Forget ``endpoint``; False when it was not trusted."""
    return trust.remove_entry(endpoint)


def require_trusted(endpoint: str, uri: str) -> None:
    """Raise UsageError unless the user named ``endpoint``, the server of the store ``uri``, on this machine."""
    if endpoint not in trust.entries():
        raise UsageError(
            f"the index keeps its vectors at {endpoint}, which is not trusted on this machine",
            f"if questions may be sent there, run: ragcli config trust {uri}",
        )
