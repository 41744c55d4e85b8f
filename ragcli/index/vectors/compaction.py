"""When segments are written anew: few of them to search, each vector rewritten seldom, little of them dead."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from ragcli.index.catalog.rows import SegmentRow

# A segment of which a larger share is dead is written anew without the dead.
MOST_DEAD = 0.25


def to_rewrite(rows: Sequence[SegmentRow], added: int, dead: Sequence[int]) -> list[SegmentRow]:
    """The newest of ``rows`` (oldest first) that a commit of ``added`` chunks writes anew together with them.

    Like a binary counter, a new segment swallows the one before it unless that is at least twice as large: there are
    never more than the logarithm of the number of vectors, and a vector is rewritten as seldom. A segment with many
    ``dead`` (ascending) goes too, with all that are newer, so that the id ranges of segments ascend.
    """
    live = [row.count - (bisect_right(dead, row.last) - bisect_left(dead, row.first)) for row in rows]
    wasteful = (place for place, row in enumerate(rows) if live[place] < (1 - MOST_DEAD) * row.count)
    first = next(wasteful, len(rows))
    size = added + sum(live[first:])
    while size and first and rows[first - 1].count < 2 * size:
        first -= 1
        size += live[first]
    return list(rows[first:])
