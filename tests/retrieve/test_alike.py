"""Versions and copies fold under the newest; what differs in what was asked, or in what it names, does not."""

from __future__ import annotations

import json
import os

import pytest

from ragcli.api import open_index, search
from ragcli.ingest.options import SyncOptions
from ragcli.ingest.sync import sync
from ragcli.retrieve.engine import SearchOptions

LEASE = """# Lease

The rent is {rent} dollars a month and is due on the first day. The tenant may keep two cats but no dogs. The deposit is
three rents and is returned when the tenant moves out. Repairs below {limit} dollars are paid by the tenant.
"""
ERROR = """# Update errors

Error {code} was reported while the update was installed on this computer. Restart the machine, run the updater as
administrator and send the log file to the help desk if the error is shown again after the restart.
"""
INVOICE = """# Invoice

Invoice for the customer {name} who lives in our town. Please pay the sum within thirty days to our account at the bank
of the town, and give the number of the invoice. The sum is {total} dollars. Thank you very much for your business.
"""
ROWS = "year,sold,returned,left\n" + "{}\n"


def opened(folder, files):
    for age, (name, text) in enumerate(files.items()):
        (folder / name).write_text(text)
        os.utime(folder / name, (1_700_000_000 + age * 86_400,) * 2)
    sync(folder / "index", [folder / name for name in files], SyncOptions())
    return open_index(folder / "index")


def found(index, question, **options):
    hits = search(index, question, SearchOptions(reranker=None, **options)).hits
    return [(hit.chunk.path.name, sorted(other.chunk.path.name for other in hit.alike)) for hit in hits]


VERSIONS = [f"lease-v{number}.md" for number in range(1, 11)]


@pytest.fixture(scope="module")
def leases(tmp_path_factory):
    files = {name: LEASE.format(rent=800 + 15 * i, limit=100 + i) for i, name in enumerate(VERSIONS)}
    files["house.md"] = "# House rules\n\nThe rent of the bicycle cellar is paid to the caretaker, who has the key."
    files["garden.md"] = "# Garden\n\nNo rent is asked for the garden, which is open to everybody in the house."
    folder = tmp_path_factory.mktemp("leases")
    with opened(folder, files) as index:
        yield index


@pytest.mark.parametrize("k", [1, 3, 10])
def test_versions_fold_under_the_newest_and_others_fill_the_list(leases, k):
    first, *rest = found(leases, "how high is the rent", k=k)
    assert first == ("lease-v10.md", sorted(VERSIONS[:9]))
    assert sorted(rest) == [("garden.md", []), ("house.md", [])][: max(0, k - 1)]


def test_a_version_that_holds_another_word_of_the_question_stays(tmp_path):
    files = {"old.md": LEASE.format(rent=800, limit=100), "new.md": LEASE.format(rent=815, limit=100)}
    with opened(tmp_path, files) as index:
        assert found(index, "rent 815") == [("new.md", ["old.md"])]
        assert sorted(found(index, "rent 815 or 800")) == [("new.md", []), ("old.md", [])]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (ERROR.format(code="0x80070005"), ERROR.format(code="0x80070643")),
        (ERROR.format(code="KV-2291"), ERROR.format(code="KV-2292")),
        (ERROR.format(code="11603"), ERROR.format(code="11618")),
        (INVOICE.format(name="Miller", total=120), INVOICE.format(name="Smith", total=120)),
    ],
)
def test_what_names_something_else_is_not_alike(tmp_path, one, two):
    with opened(tmp_path, {"one.md": one, "two.md": two}) as index:
        for question in ("error while the update was installed", "the sum of the invoice"):
            assert [alike for _, alike in found(index, question)] == [[], []]


def test_tables_with_other_rows_are_not_alike(tmp_path):
    tables = {
        f"{start}.csv": ROWS.format("\n".join(f"{year},{year * 7 % 91},{year % 13},{year % 17}" for year in years))
        for start, years in ((1960, range(1960, 1980)), (1980, range(1980, 2000)))
    }
    with opened(tmp_path, tables) as index:
        hits = found(index, "how many were returned in a year")
        assert {name for name, _ in hits} == set(tables)
        assert not any(alike for _, alike in hits)


def test_passages_of_one_document_are_not_alike(tmp_path):
    text = LEASE.format(rent=800, limit=100) + "\n" + LEASE.replace("# Lease", "# Second lease").format(rent=9, limit=1)
    with opened(tmp_path, {"both.md": text}) as index:
        assert [alike for _, alike in found(index, "how high is the rent")] == [[], []]


def test_a_version_whose_file_is_gone_is_not_the_one_shown(tmp_path):
    files = {name: LEASE.format(rent=800 + i, limit=100) for i, name in enumerate(("old.md", "new.md"))}
    with opened(tmp_path, files) as index:
        (tmp_path / "new.md").unlink()
        assert found(index, "how high is the rent") == [("old.md", ["new.md"])]


def test_the_formats_count_or_list_them(ragcli, tmp_path):
    for name, rent in (("old.md", 800), ("new.md", 815)):
        (tmp_path / name).write_text(LEASE.format(rent=rent, limit=100))
    ragcli("index", str(tmp_path / "old.md"), str(tmp_path / "new.md"), "-q")
    question = ("query", "how high is the rent", "--no-rerank")
    assert "  +1 alike" in ragcli(*question, "-f", "text").stdout
    (hit,) = json.loads(ragcli(*question, "--json").stdout)["hits"]
    (alike,) = hit["alike"]
    assert {hit["path"], alike["path"]} == {str(tmp_path / "old.md"), str(tmp_path / "new.md")}
    assert (alike["fresh"], alike["line"]) == ("same", 3)
