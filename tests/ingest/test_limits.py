from __future__ import annotations

import json

import pytest

from ragcli.ingest.sandbox.limits import Limits
from ragcli.types import Reason


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.TOO_LARGE])
def test_a_file_is_tried_again_under_higher_limits_only(reason):
    small, large = Limits(2.5, 100, 10), Limits(30, 2000, 256)
    assert large.are_wider_than(reason, small.stated(reason))
    assert not small.are_wider_than(reason, large.stated(reason))
    assert not small.are_wider_than(reason, small.stated(reason))


def test_no_limit_is_more_than_any():
    assert Limits(memory_mib=0).are_wider_than(Reason.OUT_OF_MEMORY, "4096 MiB")


@pytest.mark.parametrize(
    ("reason", "detail"),
    [
        (Reason.DAMAGED, "3 s"),
        (Reason.OUT_OF_MEMORY, "the parser was killed (signal 9)"),
        (Reason.TOO_LARGE, "70 MiB, the limit is 64 MiB"),
    ],
)
def test_other_failures_are_not_a_matter_of_limits(reason, detail):
    assert not Limits(1e9, 0, 1 << 20).are_wider_than(reason, detail)


def test_a_run_with_a_higher_limit_takes_up_what_failed(ragcli, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "rows.csv").write_text("a,b\n" + "\n" * 1_200_000 + "one,two\n")
    (tmp_path / "docs" / "good.txt").write_text("A line of text.")
    added = [
        json.loads(ragcli("index", *arguments, "--json").stdout)["added"]
        for arguments in ([str(tmp_path / "docs"), "--max-text", "1"], ["--max-text", "1"], [])
    ]
    assert added == [1, 0, 1]
