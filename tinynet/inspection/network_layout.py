"""Where the boxes of a graph go on the page: in layers from top to bottom, arrows leading down.

After K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures",
1981: boxes get the rank of the longest path that leads to them; an arrow that passes ranks gets a place to
pass through in each of them; places are ordered, rank by rank, by the mean of where their arrows come from.
"""

from itertools import pairwise
from typing import NamedTuple

__all__ = ["Layout", "layout"]

BOX_WIDTH, PASSAGE_WIDTH = 1.0, 0.25


class Layout(NamedTuple):
    """The places of boxes and arrows, in widths of a box (across) and ranks (down).

    Attributes:
        across: for each box, where its middle is.
        down: for each box, its rank.
        paths: for each arrow, the (across, down) points that it goes through, from box to box.
    """

    across: list
    down: list
    paths: list


def layout(count, arrows):
    """The `Layout` of `count` boxes, which are numbered so that arrows lead from lower to higher numbers."""
    ranks = [0] * count
    for start, end in sorted(arrows, key=lambda arrow: arrow[1]):
        ranks[end] = max(ranks[end], ranks[start] + 1)
    # A place is a box, by its number, or a passage (arrow, rank).
    rows = [[] for _ in range(max(ranks, default=0) + 1)]
    for box, rank in enumerate(ranks):
        rows[rank].append(box)
    givers = {}
    chains = []
    for arrow, (start, end) in enumerate(arrows):
        chain = [start, *[(arrow, rank) for rank in range(ranks[start] + 1, ranks[end])], end]
        for passage in chain[1:-1]:
            rows[passage[1]].append(passage)
        for giver, taker in pairwise(chain):
            givers.setdefault(taker, []).append(giver)
        chains.append(chain)
    across = _placed(rows, givers)
    paths = [
        [(across[place], ranks[place] if isinstance(place, int) else place[1]) for place in chain]
        for chain in chains
    ]
    return Layout([across[box] for box in range(count)], ranks, paths)


def _placed(rows, givers):
    """For each place its position across, rank by rank: near its givers, and clear of its neighbours."""
    across = {}
    for row in rows:
        wanted = {}
        for place in row:
            sources = [across[giver] for giver in givers.get(place, [])]
            wanted[place] = sum(sources) / len(sources) if sources else 0.0
        ordered = sorted(row, key=lambda place: wanted[place])
        edge, positions = 0.0, []
        for place in ordered:
            width = BOX_WIDTH if isinstance(place, int) else PASSAGE_WIDTH
            positions.append(edge + width / 2)
            edge += width
        shift = sum(wanted[place] for place in ordered) / len(ordered) - sum(positions) / len(ordered)
        across.update(zip(ordered, [position + shift for position in positions], strict=True))
    return across
