"""The maximum spanning forest of a graph that is seen piece by piece.

What joins two faces at a threshold is whether a path of pairs at least as alike leads from one to
the other. A maximum spanning forest answers that for every threshold, has fewer edges than there
are faces, and of two parts of a graph needs no more than their forests: so a graph of any size is
worked through in little memory, in any order, with one result.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Edges:
    """Pairs of nodes with how alike they are.

    Attributes:
        a: (m,) int64 nodes.
        b: (m,) int64 nodes, each larger than its ``a``.
        weights: (m,) float32.
    """

    a: Ints
    b: Ints
    weights: npt.NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.a)

    @classmethod
    def none(cls) -> "Edges":
        """No edge at all."""
        nodes = np.zeros(0, np.int64)
        return cls(nodes, nodes, np.zeros(0, np.float32))

    def chosen(self, index: npt.NDArray[np.bool_] | Ints) -> "Edges":
        """Some of them."""
        return Edges(self.a[index], self.b[index], self.weights[index])

    def joined(self, other: "Edges") -> "Edges":
        """These and others."""
        return Edges(
            np.concatenate([self.a, other.a]),
            np.concatenate([self.b, other.b]),
            np.concatenate([self.weights, other.weights]),
        )


def spanning_forest(edges: Edges) -> Edges:
    """The edges of the maximum spanning forest (Boruvka's algorithm).

    Of equal weights the pair with the smaller nodes counts as the heavier, so that the forest is
    one, whatever the order of the edges.

    Args:
        edges: Of any graph.

    Returns:
        Fewer edges than nodes, the heaviest first.
    """
    nodes, ends = np.unique(np.concatenate([edges.a, edges.b]), return_inverse=True)
    order = np.lexsort((edges.b, edges.a, -edges.weights))
    a, b = ends[: len(edges)][order], ends[len(edges) :][order]
    tree = np.arange(len(nodes))
    left, taken = np.arange(len(order)), np.zeros(len(order), np.bool_)
    while len(left):
        roots_a, roots_b = tree[a[left]], tree[b[left]]
        apart = roots_a != roots_b
        left, roots_a, roots_b = left[apart], roots_a[apart], roots_b[apart]
        # Each tree's heaviest edge outward: edges are sorted, so it is the one of least number.
        best = np.full(len(nodes), len(order))
        np.minimum.at(best, roots_a, left)
        np.minimum.at(best, roots_b, left)
        taken[best[best < len(order)]] = True
        tree = _hooked(tree, roots_a, roots_b, best, left)
    return edges.chosen(order[taken])


def components(n: int, edges: Edges) -> Ints:
    """Which nodes hang together.

    Args:
        n: How many nodes there are.
        edges: Between them.

    Returns:
        (n,) int64, of each node the smallest node that it hangs together with.
    """
    lowest = np.arange(n)
    a, b = edges.a, edges.b
    while len(a):
        # The larger root of each edge takes the smaller one's name; then names are followed.
        np.minimum.at(lowest, np.maximum(lowest[a], lowest[b]), np.minimum(lowest[a], lowest[b]))
        lowest = _followed(lowest)
        apart = lowest[a] != lowest[b]
        a, b = a[apart], b[apart]
    return lowest


def _hooked(tree: Ints, roots_a: Ints, roots_b: Ints, best: Ints, left: Ints) -> Ints:
    """The trees after each was joined with the one at the end of its heaviest edge."""
    ours = (best[roots_a] == left) | (best[roots_b] == left)
    own = components(len(tree), Edges(roots_a[ours], roots_b[ours], np.zeros(0, np.float32)))
    found: Ints = own[tree]
    return found


def _followed(lowest: Ints) -> Ints:
    while (further := lowest[lowest]) is not lowest:
        if np.array_equal(further, lowest):
            return lowest
        lowest = further
    return lowest
