"""Circles in a directed graph, by Tarjan's algorithm (1972) without recursion. Numbers only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


def components(graph: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """The strongly connected components with more than one member, each sorted.

    `graph` names the successors of each number; numbers without successors may be absent.
    """
    found: dict[int, int] = {}
    lowest: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    for root in sorted(graph):
        if root in found:
            continue
        work = [(root, iter(graph.get(root, ())))]
        _enter(root, found, lowest, stack, on_stack)
        while work:
            node, children = work[-1]
            child = next(children, None)
            if child is not None:
                if child not in found:
                    _enter(child, found, lowest, stack, on_stack)
                    work.append((child, iter(graph.get(child, ()))))
                elif child in on_stack:
                    lowest[node] = min(lowest[node], found[child])
                continue
            work.pop()
            if work:
                parent = work[-1][0]
                lowest[parent] = min(lowest[parent], lowest[node])
            if lowest[node] == found[node]:
                component = _leave(node, stack, on_stack)
                if len(component) > 1:
                    yield sorted(component)


def _enter(
    node: int, found: dict[int, int], lowest: dict[int, int], stack: list[int], on_stack: set[int]
) -> None:
    found[node] = lowest[node] = len(found)
    stack.append(node)
    on_stack.add(node)


def _leave(node: int, stack: list[int], on_stack: set[int]) -> list[int]:
    component = []
    while True:
        member = stack.pop()
        on_stack.discard(member)
        component.append(member)
        if member == node:
            return component
