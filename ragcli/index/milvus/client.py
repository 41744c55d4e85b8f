"""One collection on a Milvus server. Only this module imports pymilvus; its errors become RagcliError, one line each.

Every call has a time limit: pymilvus alone would try for minutes. The token comes from the environment and goes to the
server, nowhere else.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ragcli.errors import IndexDamaged, StoreUnavailable, UsageError
from ragcli.index.milvus.address import TOKEN_VARIABLE, Address
from ragcli.index.milvus.trust import require_trusted
from ragcli.offline import is_this_machine, require_reachable

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

MOST_HITS = 16_384  # in the answer of a server to one search

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0  # a server that restarts is back within this, as measured
_WORK_SECONDS = 90.0  # to make, load and flush a collection
_OLDEST = (2, 3)  # the first version with upsert and with vectors in the result of a search
_NUMBERS = 1 << 21  # in a request: 8 MiB, where a server accepts 64
_MOST_IDS = 1_000

_NOT_FOUND, _NOT_LOADED = 100, 101  # codes of the server

_SCHEMA = ("id", "document", "vector")
_KINDS: dict[str, dict[str, Any]] = {
    "flat": {"index_type": "FLAT"},
    "hnsw": {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
}


@dataclass(frozen=True, slots=True)
class Description:
    """What a server says about a collection: the dimension of its vectors, and the field that tells its owner."""

    dimension: int
    mark: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One vector in a collection, with the checksum that was written with it."""

    id: int
    digest: int
    row: Vectors


class Collection:
    """An open connection; ``mark`` is the name of the field that tells whose collection this is."""

    def __init__(self, address: Address, name: str, mark: str) -> None:
        """Connect; raises StoreUnavailable, and UsageError for a server that the user has not named."""
        require_trusted(address.endpoint, address.uri)
        require_reachable(address.host)
        self.address = address
        self.name = name
        self._mark = mark
        self._client = _connected(address)
        try:
            self._require_version()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._client.close()

    def describe(self) -> Description | None:
        """The description of the collection; None when there is none."""
        try:
            with self._asking():
                found = self._client.describe_collection(self.name, timeout=_ANSWER_SECONDS)
        except IndexDamaged:
            return None
        fields = {field["name"]: field for field in found["fields"]}
        marks = sorted(fields.keys() - set(_SCHEMA))
        dimension = int(fields.get("vector", {}).get("params", {}).get("dim", 0))
        return Description(dimension, marks[0] if len(marks) == 1 else "")

    def create(self, dimension: int, about: str) -> None:
        """Make the collection, which must not exist yet, ready for searches; ``about`` is for people."""
        from pymilvus import DataType

        with self._asking():
            schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False, description=about)
            schema.add_field("id", DataType.INT64, is_primary=True)
            schema.add_field("document", DataType.INT64)
            schema.add_field(self._mark, DataType.INT64)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
            kind = _KINDS[self.address.kind]
            indexes = self._client.prepare_index_params("vector", metric_type="IP", **kind)
            self._client.create_collection(
                self.name, schema=schema, index_params=indexes, consistency_level="Bounded", timeout=_WORK_SECONDS
            )

    def drop(self) -> None:
        with self._asking():
            self._client.drop_collection(self.name, timeout=_ANSWER_SECONDS)

    def flush(self) -> None:
        """Have the server write everything into its storage; until then it is in the log of the server."""
        with self._asking():
            self._client.flush(self.name, timeout=_WORK_SECONDS)

    def upsert(self, ids: Sequence[int], documents: Sequence[int], digests: Sequence[int], rows: Vectors) -> int:
        """Write these entities, in place of any with the same ids; return the server's time of it, 0 if unknown."""
        from pymilvus.client.ts_utils import get_collection_ts

        size = max(1, _NUMBERS // rows.shape[1])
        for start in range(0, len(ids), size):
            part = slice(start, start + size)
            columns = zip(ids[part], documents[part], digests[part], rows[part], strict=True)
            entities = [{"id": i, "document": d, self._mark: digest, "vector": row} for i, d, digest, row in columns]
            with self._asking():
                self._client.upsert(self.name, entities, timeout=_WORK_SECONDS)
        server = f"{self.address.host}:{self.address.port}"
        return int(get_collection_ts(self.name, server, "") or 0)

    def delete(self, ids: Sequence[int]) -> None:
        """Remove the entities with these ids, if there are any."""
        for start in range(0, len(ids), _MOST_IDS):
            with self._asking():
                expression = f"id in {list(ids[start : start + _MOST_IDS])}"
                self._client.delete(self.name, filter=expression, timeout=_WORK_SECONDS)

    def search(
        self, query: Vectors, limit: int, expression: str, timestamp: int
    ) -> tuple[list[int], list[float], Vectors]:
        """(ids, scores, rows) of the entities nearest to ``query``, in the server's state at ``timestamp`` or later."""
        parameters: dict[str, Any] = {"metric_type": "IP", "params": {}}
        if self.address.kind == "hnsw":
            parameters["params"] = {"ef": max(64, min(2 * limit, 32_768))}

        with self._asking():
            hits = self._loaded(
                lambda: self._client.search(
                    self.name, [query], anns_field="vector", filter=expression, limit=limit, output_fields=["vector"],
                    search_params=parameters, timeout=_ANSWER_SECONDS, **_no_older_than(timestamp),
                )
            )[0]  # fmt: skip
            ids, scores = [int(hit["id"]) for hit in hits], [float(hit["distance"]) for hit in hits]
            rows = np.array([hit["entity"]["vector"] for hit in hits], np.float32).reshape(len(hits), len(query))
        return ids, scores, rows

    def ids(self, expression: str) -> list[int]:
        """The ids of the entities that satisfy ``expression``, in the latest state of the server."""
        return [int(row["id"]) for row in self._query(expression, ["id"], _no_older_than(0))]

    def entities(self, ids: Sequence[int], timestamp: int) -> list[Entity]:
        """The entities with these ids, which must be few, in the server's state at ``timestamp`` or later."""
        found = self._query(f"id in {list(ids)}", ["id", self._mark, "vector"], _no_older_than(timestamp))
        return [Entity(int(row["id"]), int(row[self._mark]), np.array(row["vector"], np.float32)) for row in found]

    def _query(self, expression: str, fields: list[str], level: dict[str, Any]) -> list[dict[str, Any]]:
        with self._asking():
            found: list[dict[str, Any]] = self._loaded(
                lambda: self._client.query(
                    self.name, filter=expression, output_fields=fields, timeout=_ANSWER_SECONDS, **level
                )
            )
        return found

    def _loaded(self, ask: Any) -> Any:  # noqa: ANN401 (what pymilvus returns)
        """``ask()``; first loads a collection that somebody released from the memory of the server."""
        from pymilvus.exceptions import MilvusException

        try:
            return ask()
        except MilvusException as error:
            if error.code != _NOT_LOADED:
                raise
        self._client.load_collection(self.name, timeout=_WORK_SECONDS)
        return ask()

    def _require_version(self) -> None:
        with self._asking():
            version = str(self._client.get_server_version(timeout=_ANSWER_SECONDS))
        found = re.search(r"(\d+)\.(\d+)", version)
        if found is None or (int(found[1]), int(found[2])) < _OLDEST:
            raise StoreUnavailable(
                f"the server at {self.address.endpoint} is Milvus {version}, which is too old",
                f"ragcli needs {'.'.join(map(str, _OLDEST))} or newer",
            )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        with translated(self.address, self.name):
            yield


def _no_older_than(timestamp: int) -> dict[str, Any]:
    # without a known time, everything that was written before: slower, and as safe
    if not timestamp:
        return {"consistency_level": "Strong"}
    return {"consistency_level": "Customized", "guarantee_timestamp": timestamp}


@contextmanager
def translated(address: Address, name: str) -> Iterator[None]:
    """Raise errors of pymilvus as RagcliError; the words of the server are cut to one short line."""
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except MilvusException as error:
        if error.code == _NOT_FOUND:
            raise gone(address, name) from None
        raise _unavailable(address, _status(error), str(error.message)) from None
    except grpc.RpcError as error:
        raise _unavailable(address, _status(error), "") from None


def gone(address: Address, name: str) -> IndexDamaged:
    """The error for a collection that is missing."""
    return IndexDamaged(f"the collection {name} is not at {address.endpoint}", "rebuild it with: ragcli repair")


def _status(error: BaseException | None) -> str:
    """The status of the failed call, which pymilvus hides behind errors of its own; "" when no call failed."""
    import grpc

    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, grpc.Call):
            return str(error.code().name)
        seen.add(id(error))  # pymilvus raises some errors from themselves
        error = error.__context__ if error.__cause__ in {None, error} else error.__cause__
    return ""


def _unavailable(address: Address, status: str, message: str) -> StoreUnavailable:
    if status in {"UNAUTHENTICATED", "PERMISSION_DENIED"}:
        return StoreUnavailable(
            f"the server at {address.endpoint} does not accept the token",
            f"set {TOKEN_VARIABLE} to user:password or an API key",
        )
    if status or "timeout" in message.lower() or "Fail connecting" in message:
        return StoreUnavailable(
            f"the server at {address.endpoint} does not answer",
            "start it and run the command again, or keep the vectors in files: ragcli index --force --store files",
        )
    said = " ".join(message.split())
    return StoreUnavailable(f"the server at {address.endpoint} refuses: {said[:200]}", "see its log")


def _connected(address: Address) -> Any:  # noqa: ANN401 (pymilvus may not be installed)
    token = os.environ.get(TOKEN_VARIABLE, "")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its native code writes to stderr
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")  # or pymilvus would take settings from any .env above it
    try:
        from pymilvus import MilvusClient
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the vectors of this index are at {address.endpoint}, and pymilvus is not installed",
            "pip install 'ragcli[cluster]'",
        ) from error
    _silence()
    # a proxy would send what is meant for this machine to another one
    options = {"grpc.enable_http_proxy": 0} if is_this_machine(address.host) else {}
    with translated(address, address.collection):
        return MilvusClient(
            uri=f"{'https' if address.tls else 'http'}://{address.host}:{address.port}",
            token=token, timeout=_CONNECT_SECONDS, dedicated=True, grpc_options=options,
        )  # fmt: skip


def _silence() -> None:
    """Keep pymilvus from writing tracebacks to stderr for errors that it also raises."""
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
