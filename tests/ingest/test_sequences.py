"""A few random lives of folders; ``make lives`` has 5,000."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import sequences


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_and_nothing_is_stale(seed):
    with sequences.quick():
        sequences.live(seed)
