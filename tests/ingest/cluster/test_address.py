import socket
import subprocess
import sys

import pytest

from ragcli.errors import EngineUnavailable, UsageError
from ragcli.ingest.readers import require_cluster

HERE = """
import sys
sys.modules["ray"] = None  # as where it is not installed
from ragcli.cli.app import main
sys.argv = ["ragcli", *sys.argv[1:]]
sys.exit(main())
"""


@pytest.mark.parametrize("engine", [[], ["--address", "127.0.0.1:6379"]])
def test_without_ray_the_way_to_get_it_is_named_and_nothing_is_written(tmp_path, engine):
    (tmp_path / "a.txt").write_text("The harbour is deep.")
    done = subprocess.run(
        [sys.executable, "-c", HERE, "index", tmp_path, "--home", tmp_path / "home", "--engine", "ray", *engine],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "ragcli: ray is not installed; pip install 'ragcli[cluster]'\n"
    assert not (tmp_path / "home").exists()


def test_an_address_without_the_engine_is_a_mistake(ragcli, tmp_path):
    done = ragcli("index", str(tmp_path), "--address", "127.0.0.1:6379")
    assert done.returncode == 2
    assert "add --engine ray" in done.stderr


@pytest.mark.parametrize(
    "address", ["", "auto", "head", "ray://head:10001", "head:0", "head:70000", "http://head:1", "a b:1"]
)
def test_an_invalid_address_is_refused(address):
    with pytest.raises(UsageError, match=r"invalid address of a Ray cluster .*; use the HOST:PORT that"):
        require_cluster(address, offline=False)


@pytest.mark.parametrize("address", ["10.0.0.5:6379", "head.example:6379", "[2001:db8::1]:6379"])
def test_offline_asks_no_other_machine(address):
    with pytest.raises(UsageError, match="ragcli is offline"):
        require_cluster(address, offline=True)


@pytest.mark.parametrize("offline", [False, True])
def test_an_address_where_nothing_listens_is_told_of(offline):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        require_cluster(f"127.0.0.1:{port}", offline=offline)
    with pytest.raises(
        EngineUnavailable, match=r"no Ray cluster answers at 127.0.0.1:\d+ \(Connection refused\); is it up"
    ):
        require_cluster(f"127.0.0.1:{port}", offline=offline)
