from __future__ import annotations

SOURCE = """
created = []
counter = 0
LIMIT = 3

def test_first():
    global counter
    created.append(1)
    counter = LIMIT

def test_second():
    assert created == [1]

def test_third():
    assert counter < LIMIT

def test_fourth():
    created = []
    created.append(2)
    assert LIMIT == 3

class TestStory:
    token = None

    def test_log_in(self):
        TestStory.token = "x"

    def test_use(self):
        assert TestStory.token
"""


def test_tests_that_hang_on_each_other_are_told(suite) -> None:
    found = suite({"test_it.py": SOURCE}).footprints()
    shares = {nodeid.partition("::")[2]: set(one.shares) for nodeid, one in found.items()}
    assert shares == {
        "test_first": {"test_it.py::created", "test_it.py::counter"},
        "test_second": {"test_it.py::created"},
        "test_third": {"test_it.py::counter"},
        "test_fourth": set(),
        "TestStory::test_log_in": {"test_it.py::TestStory.token"},
        "TestStory::test_use": {"test_it.py::TestStory.token"},
    }


def test_the_evidence_names_the_other_test_and_the_line(suite) -> None:
    found = suite({"test_it.py": SOURCE}).footprints()["test_it.py::test_second"]
    assert [(one.what, one.line) for one in found.evidence] == [
        ("reads the module's created, which test_first changes", 12)
    ]


def shares_of(suite, source: str) -> dict[str, set[str]]:
    found = suite({"test_it.py": source}).footprints()
    return {
        nodeid.partition("::")[2]: {name.partition("::")[2] for name in one.shares}
        for nodeid, one in found.items()
    }


def test_functions_of_the_file_are_looked_into(suite) -> None:
    source = """
        seen = {}

        def note(name):
            seen[name] = True

        def test_writes():
            note("x")

        def test_reads():
            assert "x" in seen

        def test_neither():
            assert True
        """
    assert shares_of(suite, source) == {
        "test_writes": {"seen"},
        "test_reads": {"seen"},
        "test_neither": set(),
    }


def test_what_a_fixture_sets_before_each_test_is_shared_by_nobody(suite) -> None:
    source = """
        import pytest

        calls = []
        current = None

        @pytest.fixture(autouse=True)
        def clean():
            global current
            calls.clear()
            current = None
            yield

        def test_one():
            global current
            calls.append(1)
            current = 1

        def test_two():
            assert calls == []
            assert current is None
        """
    assert shares_of(suite, source) == {"test_one": set(), "test_two": set()}


def test_tests_hang_on_each_other_through_a_fixture_that_outlives_them(suite) -> None:
    source = """
        import pytest

        @pytest.fixture(scope="module")
        def basket():
            return []

        @pytest.fixture
        def own():
            return []

        def test_fills(basket, own):
            basket.append(1)
            own.append(1)

        def test_counts(basket, own):
            assert len(basket) == 1
            assert own == []
        """
    assert shares_of(suite, source) == {"test_fills": {"basket"}, "test_counts": {"basket"}}


def test_attributes_of_the_class_are_told_from_those_of_the_instance(suite) -> None:
    source = """
        class TestStory:
            items = []
            token = None
            name = ""

            def test_add(self):
                self.items.append(1)
                type(self).token = "x"
                self.name = "mine alone"

            def test_look(self):
                assert self.items == [1]
                assert self.token == "x"
                assert self.name == ""
        """
    both = {"TestStory.items", "TestStory.token"}
    assert shares_of(suite, source) == {"TestStory::test_add": both, "TestStory::test_look": both}


def test_the_variables_of_another_module_are_shared_where_tests_get_at_all_of_them(suite) -> None:
    source = """
        import argparse
        import sys

        def state():
            return vars(sys).setdefault("_state", [])

        def test_fills():
            state().append(1)

        def test_counts():
            assert state() == [1]

        def test_parses():
            arguments = argparse.Namespace(n=1)
            assert vars(arguments) == {"n": 1}
        """
    found = shares_of(suite, source)
    assert {name: "vars(sys)" in shares for name, shares in found.items()} == {
        "test_fills": True,
        "test_counts": True,
        "test_parses": False,
    }
