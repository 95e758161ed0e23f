from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.planning.circles import components

NUMBERS = st.integers(0, 7)


def reachable(graph, start):
    found, waiting = set(), list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting.extend(graph.get(node, ()))
    return found


@given(st.dictionaries(NUMBERS, st.lists(NUMBERS, max_size=3)))
def test_components_are_what_can_reach_itself_and_each_other(graph):
    expected = set()
    for node in range(8):
        members = {other for other in reachable(graph, node) if node in reachable(graph, other)}
        if len(members) > 1:
            expected.add(tuple(sorted(members)))
    assert {tuple(component) for component in components(graph)} == expected


def test_a_long_chain_needs_no_recursion():
    graph = {number: [number + 1] for number in range(50_000)}
    graph[50_000] = [0]
    assert [len(component) for component in components(graph)] == [50_001]
