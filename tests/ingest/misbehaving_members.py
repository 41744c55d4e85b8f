"""A worker that crashes and hangs on members of archives, and that lies about their names."""

from __future__ import annotations

import os
import time
from pathlib import Path

from ragcli.formats import registry
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox import worker
from ragcli.types import Document, Member

honest = registry.load
send_members = worker._Service._send_members


def load(path: Path, data: bytes, options: LoadOptions) -> Document:
    if path.name == "crash.x":
        os._exit(3)
    if path.name == "hang.x":
        time.sleep(600)
    if path.name == "lie.x":
        return Document(path, "", "", (), "archive", members=[Member(data.decode(), b"text")])
    return honest(path, data, options)


def lie(service: worker._Service, document: Document) -> None:
    if document.path.name != "lie.x":
        send_members(service, document)
        return
    for member in document.members:
        state = {"name": member.name, "size": 4, "mtime_ns": 0, "sha256": "x"}
        service._send([worker.pack_frame({"member": state})])
        service._send([worker.pack_frame({"unchanged": True})])


registry.load = load
worker._Service._send_members = lie

if __name__ == "__main__":
    worker.main(load)
