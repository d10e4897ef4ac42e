"""Where the branches of a fan-out meet again: regions and post-dominators of a flow."""

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter


class Flow:
    """A directed graph of steps; a step without successors, or that cannot end, leads to the end.

    The end is ``None``.
    """

    def __init__(self, successors: Mapping[str, Sequence[str]]) -> None:
        self.successors = successors
        self._bit = {node: 1 << (i + 1) for i, node in enumerate(successors)}
        self._after = self._post_dominators()

    def meeting(self, starts: Sequence[str]) -> str | None:
        """Return the first step that all ways from *starts* to the end have in common."""
        common = -1
        for start in starts:
            common &= self._after[start]
        # The common steps follow each other on every way, so no way finds a later one first.
        ways = self.region(starts[0], stop=None)
        return next((node for node in ways if common & self._bit[node]), None)

    def region(self, start: str, *, stop: str | None) -> list[str]:
        """Return the steps from *start* on, breadth first, up to *stop*."""
        queue = [] if start == stop else [start]
        found = {start, stop}
        for node in queue:
            fresh = [one for one in self.successors[node] if one not in found]
            found.update(fresh)
            queue.extend(fresh)
        return queue

    def is_acyclic(self, nodes: Iterable[str]) -> bool:
        """Tell whether no way among *nodes* leads back."""
        among = set(nodes)
        graph = {node: among.intersection(self.successors[node]) for node in among}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError:
            return False
        return True

    def _post_dominators(self) -> dict[str, int]:
        """Return for each step, as bits, the steps that every way from it to the end passes.

        Bit 0 is the end.
        """
        endless = set(self.successors) - self._ending()
        everything = (1 << (len(self.successors) + 1)) - 1
        after = dict.fromkeys(self.successors, everything)
        order = self._last_first()
        changed = True
        while changed:
            changed = False
            for node in order:
                # Who cannot end must not count as somebody that everything lies ahead of.
                common = 1 if node in endless or not self.successors[node] else everything
                for successor in self.successors[node]:
                    common &= after[successor]
                common |= self._bit[node]
                if common != after[node]:
                    after[node] = common
                    changed = True
        return after

    def _ending(self) -> set[str]:
        """Return the steps from which the end can be reached."""
        before: dict[str, list[str]] = {node: [] for node in self.successors}
        for node, successors in self.successors.items():
            for successor in successors:
                before[successor].append(node)
        queue = [node for node in self.successors if not self.successors[node]]
        found = set(queue)
        for node in queue:
            fresh = [one for one in before[node] if one not in found]
            found.update(fresh)
            queue.extend(fresh)
        return found

    def _last_first(self) -> list[str]:
        """Return the steps so that most stand behind their successors: few rounds are needed."""
        done: dict[str, None] = {}
        seen: set[str] = set()
        for start in self.successors:
            todo = [(start, False)]
            while todo:
                node, is_left = todo.pop()
                if is_left:
                    done[node] = None
                elif node not in seen:
                    seen.add(node)
                    todo.append((node, True))
                    todo.extend((successor, False) for successor in self.successors[node])
        return list(done)
