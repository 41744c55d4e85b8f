"""The address of a collection on a Milvus server: ``milvus://HOST:PORT/COLLECTION[?index=flat|hnsw]``."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from ragcli.errors import UsageError
from ragcli.index.catalog.rows import is_collection_name

TOKEN_VARIABLE = "RAGCLI_MILVUS_TOKEN"  # noqa: S105 (a name, not a token)

_SCHEMES = {"milvus": False, "milvus+tls": True}
_DEFAULT_PORT = 19530
_KINDS = ("flat", "hnsw")
_FORM = "write it as milvus://HOST:PORT/COLLECTION, or files for the files of the index"


class Address(NamedTuple):
    """A collection on a Milvus server, as the user named it."""

    host: str
    port: int
    collection: str
    tls: bool = False
    kind: str = "flat"

    @property
    def endpoint(self) -> str:
        """The server alone: the user must name it before anything is sent there."""
        return f"milvus{'+tls' if self.tls else ''}://{self.host}:{self.port}"

    @property
    def uri(self) -> str:
        """The whole address, in the one form that an index remembers."""
        return f"{self.endpoint}/{self.collection}" + ("" if self.kind == "flat" else f"?index={self.kind}")


def parse_address(text: str) -> Address:
    """Read an address; raises UsageError, which quotes no credentials."""
    try:
        parts = urlsplit(text)
        port = parts.port or _DEFAULT_PORT
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError as error:
        raise UsageError("invalid store address", _FORM) from error  # not quoted: it may hold a password
    if parts.username is not None or parts.password is not None or options.keys() & {"token", "user", "password"}:
        raise UsageError("a store address must not hold a user, password or token", f"put it into {TOKEN_VARIABLE}")
    collection = parts.path.removeprefix("/")
    if parts.scheme not in _SCHEMES or not parts.hostname or ":" in parts.hostname or parts.fragment:
        raise UsageError(f"invalid store address {text!r}", _FORM)
    if not is_collection_name(collection):
        raise UsageError(f"invalid collection name {collection!r}", "use letters, digits and _, a letter first")
    kind = options.pop("index", "flat")
    if options or kind not in _KINDS:
        raise UsageError(f"unknown store option {parts.query!r}", f"it may be index={' or index='.join(_KINDS)}")
    return Address(parts.hostname, port, collection, _SCHEMES[parts.scheme], kind)
