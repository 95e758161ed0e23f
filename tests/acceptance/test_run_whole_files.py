"""Files run whole, in the order of a serial run, until that has shown that their tests may part."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project

CONTRACT = """
    class Contract:
        seen = []

        def test_first(self):
            self.seen.append(1)

    def test_imported():
        Contract.seen.append(1)

    def make():
        def test_made():
            Contract.seen.append(1)
        return test_made
"""
#: Fails behind any of the tests above, wherever their code is.
ALONE = """
    import contract
    {how}
    def test_nothing_was_seen():
        assert contract.Contract.seen == []
"""
HOW = {
    "inherited": "class TestOwn(contract.Contract): pass",
    "imported": "from contract import test_imported",
    "made": "test_made = contract.make()",
    "executed": "exec('def test_text(): contract.Contract.seen.append(1)')",
}
#: The last test fails behind the first, by state of the process that nobody observes.
CACHED = """
    import time
    from answers import answer

    def test_default():
        assert answer() == "none"

    def test_slow_1():
        time.sleep(0.1)

    def test_slow_2():
        time.sleep(0.1)

    def test_victim(monkeypatch):
        monkeypatch.setenv("ANSWER", "42")
        assert answer() == "42"
"""
ANSWERS = """
    import importlib, os

    class _Answers:
        kept = importlib.import_module("functools").lru_cache(lambda: os.environ.get("ANSWER", "none"))

    answer = _Answers.kept
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.mark.parametrize(
    "how", [*list(HOW)[:1], *(pytest.param(how, marks=pytest.mark.long) for how in list(HOW)[1:])]
)
def test_tests_that_are_written_elsewhere_run_with_their_file(project: Project, how: str) -> None:
    project.file("contract.py", CONTRACT)
    project.write(test_one=ALONE.format(how=HOW[how]), test_two=ALONE.format(how=HOW[how]))
    ended = project.dbsafe().outcomes
    assert len(ended) == 4
    assert sorted(name for name, outcome in ended.items() if outcome == "failed") == [
        "test_one.py::test_nothing_was_seen",
        "test_two.py::test_nothing_was_seen",
    ]


@pytest.mark.parametrize(
    "before",
    [
        (("-k", "victim"), ("-k", "not victim")),
        pytest.param((("--no-confirm",),), marks=pytest.mark.long),
        pytest.param((("-x",),), marks=pytest.mark.long),
        pytest.param((("--confirm-budget", "0"),), marks=pytest.mark.long),
    ],
    ids=["selected", "unconfirmed", "stopped", "no-budget"],
)
def test_what_was_observed_of_the_database_alone_takes_no_file_apart(
    project: Project, before: tuple[tuple[str, ...], ...]
) -> None:
    project.file("answers.py", ANSWERS)
    project.write(test_cached=CACHED)
    for arguments in before:
        project.dbsafe(*arguments)
    assert project.dbsafe().outcomes["test_cached.py::test_victim"] == "failed"


def test_a_file_that_has_run_in_order_may_be_taken_apart(project: Project) -> None:
    project.write(
        test_plain="""
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_plain(number):
            pass
    """
    )
    assert "may be split" not in project.other("plan", "-v").stdout
    project.dbsafe("-k", "1 or 2")
    assert "may be split" not in project.other("plan", "-v").stdout
    project.dbsafe()
    assert "may be split" in project.other("plan", "-v").stdout
    project.dbsafe()
    assert "may be split" in project.other("plan", "-v").stdout
