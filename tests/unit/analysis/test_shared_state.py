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
