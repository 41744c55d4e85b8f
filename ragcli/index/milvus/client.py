"""One collection on a Milvus server: the only module that imports pymilvus. Its errors come out as ours, of one line.

Every call has a time limit: pymilvus alone would try for minutes. The token is read from the environment and goes to
the server, and nowhere else.
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

from ragcli import trust
from ragcli.errors import IndexDamaged, StoreUnavailable, UsageError
from ragcli.index.store import TOKEN_VARIABLE, Address
from ragcli.offline import is_this_machine, require_reachable

if TYPE_CHECKING:
    from ragcli.index.vectors.faiss_files import Vectors

MOST_HITS = 16_384  # that a server gives for one question

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 15.0  # a server that starts again is back within this, as measured
_WORK_SECONDS = 90.0  # for making, loading and flushing
_OLDEST = (2, 3)  # upsert, and vectors among what a search returns
_NUMBERS = 1 << 21  # of a request: 8 MiB, where a server takes 64
_MOST_IDS = 1_000

_NOT_FOUND, _NOT_LOADED = 100, 101  # codes of the server

_SCHEMA = ("id", "document", "vector")
_KINDS: dict[str, dict[str, Any]] = {
    "flat": {"index_type": "FLAT"},
    "hnsw": {"index_type": "HNSW", "params": {"M": 16, "efConstruction": 200}},
}


@dataclass(frozen=True, slots=True)
class Description:
    """What a server says of a collection: the dimension of its vectors, and the fields that ragcli did not expect."""

    dimension: int
    mark: str


@dataclass(frozen=True, slots=True)
class Entity:
    """One vector as it is held, with the checksum that was written with it."""

    id: int
    digest: int
    row: Vectors


class Collection:
    """An open connection; ``mark`` is the name of the field that tells whose collection this is."""

    def __init__(self, address: Address, name: str, mark: str) -> None:
        """Connect; raises StoreUnavailable, and UsageError for a server that the user has not named."""
        trust.require_store(address.endpoint, address.uri)
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
        """None when there is no such collection."""
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
        """Make the collection, which must not exist, ready for searches; ``about`` is for people."""
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
        """Put what was written into the server's storage; until then it is in its log."""
        with self._asking():
            self._client.flush(self.name, timeout=_WORK_SECONDS)

    def upsert(self, ids: Sequence[int], documents: Sequence[int], digests: Sequence[int], rows: Vectors) -> int:
        """Hold these entities in the place of any with the same ids; returns the server's time of it, 0 if unknown."""
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
        """Remove the entities with these ids, as far as there are any."""
        for start in range(0, len(ids), _MOST_IDS):
            with self._asking():
                expression = f"id in {list(ids[start : start + _MOST_IDS])}"
                self._client.delete(self.name, filter=expression, timeout=_WORK_SECONDS)

    def search(
        self, query: Vectors, limit: int, expression: str, timestamp: int
    ) -> tuple[list[int], list[float], Vectors]:
        """(ids, scores, rows) of the entities nearest to ``query``, as the server sees it no earlier than at a time."""
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
        """The ids of the entities that satisfy ``expression``, whoever wrote them last."""
        return [int(row["id"]) for row in self._query(expression, ["id"], _no_older_than(0))]

    def entities(self, ids: Sequence[int], timestamp: int) -> list[Entity]:
        """Those of ``ids``, which must be few, as the server sees them no earlier than at a time."""
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
        """``ask()``; a collection that someone took out of the server's memory is put back first."""
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
    # where no time is known, all that was written before: slower, and as sure
    if not timestamp:
        return {"consistency_level": "Strong"}
    return {"consistency_level": "Customized", "guarantee_timestamp": timestamp}


@contextmanager
def translated(address: Address, name: str) -> Iterator[None]:
    """Errors of pymilvus as ours; a server's own words are cut to one short line."""
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
    """The error for a collection that should be there."""
    return IndexDamaged(f"the collection {name} is not at {address.endpoint}", "make it anew with: ragcli repair")


def _status(error: BaseException | None) -> str:
    """The status of the call that failed, which pymilvus hides behind errors of its own; "" when none did."""
    import grpc

    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, grpc.Call):
            return str(error.code().name)
        seen.add(id(error))  # pymilvus raises errors from themselves
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
            "start it and run this again, or keep the vectors in files: ragcli index --force --store files",
        )
    said = " ".join(message.split())
    return StoreUnavailable(f"the server at {address.endpoint} refuses: {said[:200]}", "see its log")


def _connected(address: Address) -> Any:  # noqa: ANN401 (pymilvus has types of its own only where it is installed)
    token = os.environ.get(TOKEN_VARIABLE, "")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its native code writes to stderr by itself
    os.environ.setdefault("PYTHON_DOTENV_DISABLED", "1")  # pymilvus would take settings from any .env above it
    try:
        from pymilvus import MilvusClient
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the vectors of this index are at {address.endpoint}, and pymilvus is not installed",
            "pip install 'ragcli[cluster]'",
        ) from error
    _silence()
    # a proxy would carry what is meant for this machine to another one
    options = {"grpc.enable_http_proxy": 0} if is_this_machine(address.host) else {}
    with translated(address, address.collection):
        return MilvusClient(
            uri=f"{'https' if address.tls else 'http'}://{address.host}:{address.port}",
            token=token, timeout=_CONNECT_SECONDS, dedicated=True, grpc_options=options,
        )  # fmt: skip


def _silence() -> None:
    """It writes tracebacks to stderr for what it also raises."""
    for name in ("pymilvus", "pymilvus.milvus_client", "pymilvus.bulk_writer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
