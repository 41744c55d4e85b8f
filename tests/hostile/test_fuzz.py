"""The loaders under fuzzing: seconds here, minutes in ``make fuzz``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragcli.errors import LoadError
from ragcli.formats import registry as loaders
from ragcli.formats.blocks import LoadOptions
from ragcli.ingest.sandbox.limits import Limits

SEEDS = fuzz.seeds()
LOADERS = sorted({loaders.loader_for(Path(f"a{suffix}"), b"text") or suffix for suffix in loaders.SUPPORTED_SUFFIXES})


def test_every_loader_has_an_honest_file():
    assert {loaders.loader_for(Path(f"a{suffix}"), b"text") for suffix in SEEDS} >= set(LOADERS)


def test_no_loader_dies_of_a_file_that_is_almost_right():
    counts, faults = fuzz.fuzz(4, seed=20, limits=Limits(seconds=60, memory_mib=1024))
    assert faults == []
    assert counts["documents"] > 10
    assert counts["files"] > counts["documents"]


@pytest.mark.parametrize("suffix", sorted(SEEDS))
@settings(max_examples=15)
@given(data=st.data())
def test_a_loader_gives_a_document_or_a_reason(suffix, data):
    rng = data.draw(st.randoms(use_true_random=False))
    content = fuzz.mutate(rng.choice(SEEDS[suffix]), rng, [b"other text"])
    with suppress(LoadError):
        assert fuzz.unsound(loaders.load(Path(f"a{suffix}"), content, LoadOptions())) == ""


@pytest.mark.parametrize("suffix", sorted(SEEDS))
@settings(max_examples=25)
@given(content=st.binary(max_size=300) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_document_or_a_reason(suffix, content):
    with suppress(LoadError):
        assert fuzz.unsound(loaders.load(Path(f"a{suffix}"), content, LoadOptions())) == ""
