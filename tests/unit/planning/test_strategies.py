import pytest

from dbsafe_runner.domain.isolation import Isolation, NamespaceKind, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.planning.overrides import level_named, parse_share, parse_strategies
from dbsafe_runner.planning.strategies import STRATEGIES, Share, isolation_of


@pytest.mark.parametrize(
    ("name", "cpus", "workers"),
    [
        ("conservative", 64, 2),
        ("balanced", 2, 4),
        ("balanced", 5, 5),
        ("balanced", 64, 6),
        ("aggressive", 2, 8),
        ("aggressive", 24, 24),
        ("adaptive", 1, 2),
        ("adaptive", 64, 8),
    ],
)
def test_workers(name, cpus, workers):
    assert STRATEGIES[name].workers(cpus) == workers


@pytest.mark.parametrize(
    ("share", "workers", "allowed"),
    [
        (Share(), 4, None),
        (Share(0.8), 10, 8),
        (Share(0.8), 4, 3),
        (Share(0.5), 1, None),
        (Share(0.1), 4, 1),
        (Share(count=2), 4, 2),
        (Share(count=2), 2, None),
    ],
)
def test_shares(share, workers, allowed):
    assert share.of(workers) == allowed


def test_isolation_is_had_from_the_namespace():
    rule = STRATEGIES["balanced"].levels[Level.SHARED_WRITES]
    assert isolation_of(rule, NamespaceKind.SERVER) is Isolation.SERVER
    rule = STRATEGIES["balanced"].levels[Level.ISOLATED_WRITES]
    assert isolation_of(rule, NamespaceKind.SERVER) is Isolation.TRANSACTION


def test_every_strategy_separates_higher_levels_at_least_as_strongly():
    strength = list(Isolation)
    for strategy in STRATEGIES.values():
        ranks = [strength.index(strategy.levels[level].isolation) for level in Level]
        assert ranks == sorted(ranks)


def test_a_strategy_of_ones_own():
    parsed = parse_strategies(
        {
            "mine": {
                "workers": [4, 12],
                "keep_caps": True,
                "levels": {
                    "SHARED_WRITES": {
                        "isolation": "process",
                        "reset": "each-test",
                        "cap": "50%",
                        "fresh": True,
                    },
                    "1": {"cap": 3},
                },
            },
            "yours": {"based_on": "mine", "workers": 3},
        }
    )
    assert parsed.problems == ()
    mine, yours = parsed.strategies["mine"], parsed.strategies["yours"]
    rule = mine.levels[Level.SHARED_WRITES]
    assert (rule.isolation, rule.reset, rule.fresh) == (
        Isolation.PROCESS,
        ResetPolicy.EACH_TEST,
        True,
    )
    assert str(rule.cap) == "50%"
    assert mine.levels[Level.READ_ONLY].cap.of(8) == 3
    assert mine.levels[Level.NONE] == STRATEGIES["balanced"].levels[Level.NONE]
    assert (mine.workers(64), yours.workers(64)) == (12, 3)
    assert yours.keep_caps
    assert yours.levels == mine.levels


def test_a_table_named_like_a_built_in_strategy_changes_that_one():
    parsed = parse_strategies({"conservative": {"workers": 3}})
    assert parsed.problems == ()
    assert parsed.strategies["conservative"].workers(8) == 3
    assert parsed.strategies["conservative"].keep_caps


def test_all_problems_are_reported_at_once():
    parsed = parse_strategies(
        {
            "mine": {
                "wrokers": 3,
                "workers": 0,
                "keep_caps": "yes",
                "levels": {
                    "7": {},
                    "NONE": 3,
                    "READ_ONLY": {"isolation": "jail", "reset": 1, "cap": "0%", "fresh": 0, "x": 1},
                },
            },
            "lost": {"based_on": "nowhere"},
            "flat": 3,
            "a": {"based_on": "b"},
            "b": {"based_on": "a"},
            "list": {"levels": []},
        }
    )
    assert [str(problem).split(":")[0] for problem in parsed.problems] == [
        "strategies.mine.wrokers",
        "strategies.mine.workers",
        "strategies.mine.keep_caps",
        "strategies.mine.levels.7",
        "strategies.mine.levels.NONE",
        "strategies.mine.levels.READ_ONLY.x",
        "strategies.mine.levels.READ_ONLY.isolation",
        "strategies.mine.levels.READ_ONLY.reset",
        "strategies.mine.levels.READ_ONLY.cap",
        "strategies.mine.levels.READ_ONLY.fresh",
        "strategies.lost.based_on",
        "strategies.flat",
        "strategies.list.levels",
        "strategies",
    ]
    assert parsed.problems[-1].message == "based on each other in a circle: a, b"


@pytest.mark.parametrize("value", [0, -1, True, "x", "%", "101%", "0%", None, 1.5, "1..5%"])
def test_shares_that_cannot_be_read(value):
    assert parse_share(value) is None


@pytest.mark.parametrize(
    ("value", "text"), [("all", "all"), ("50%", "50%"), ("12.5 %", "12.5%"), (3, "3")]
)
def test_shares_that_can_be_read(value, text):
    assert str(parse_share(value)) == text


def test_levels_by_name_and_number():
    assert level_named("read-only") is Level.READ_ONLY
    assert level_named("5") is Level.SEQUENTIAL_ONLY
    assert level_named("6") is None
