from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.database.ownership import (
    Tag,
    lock_key,
    made_by_test,
    new_run_id,
    read_claim,
    read_tag,
    run_of,
    seal,
    strip_tag,
    template_of,
    write_claim,
    write_tag,
)

TAG = Tag(
    run=seal("01234567"), host="build-7", pid=42, started=1.5, version="1.0", worker="gw3", used=2.5
)
KEY = "0123456789abcdef01234567"


def test_ids_of_runs_carry_a_checksum_and_differ() -> None:
    one, two = new_run_id(), new_run_id()
    assert one != two
    assert seal(one[:8]) == one


@pytest.mark.parametrize("rest", ["1", "12_2", "t1", "b7_3", "x4"])
def test_names_of_a_run_are_known(rest: str) -> None:
    assert run_of(f"dbsafe_{TAG.run}_{rest}") == TAG.run


@pytest.mark.parametrize(
    "name",
    [
        "dbsafe_012345678888_1",
        f"dbsafe_{TAG.run}",
        f"dbsafe_{TAG.run}_",
        f"dbsafe_{TAG.run}_old",
        f"my_dbsafe_{TAG.run}_1",
        f"dbsafe_{TAG.run}_1_copy",
        "dbsafe",
        "",
    ],
)
def test_other_names_belong_to_no_run(name: str) -> None:
    assert run_of(name) == ""


def test_databases_that_tests_made_under_a_suffix_belong_to_their_run() -> None:
    assert run_of(f"test_shop_dbsafe_{TAG.run}_d3") == TAG.run
    assert made_by_test(f"test_shop_dbsafe_{TAG.run}_d3")


@pytest.mark.parametrize("name", [f"test_shop_dbsafe_{TAG.run}_3", "test_shop_dbsafe_012345678888_d3"])
def test_a_users_copies_of_databases_of_ours_are_the_users(name: str) -> None:
    assert run_of(name) == ""
    assert not made_by_test(name)


def test_namespaces_were_made_by_no_test() -> None:
    assert not made_by_test(f"dbsafe_{TAG.run}_3")


def test_names_of_templates_are_known() -> None:
    assert template_of(f"dbsafe_t_{KEY}") == template_of(f"dbsafe_t_{KEY}_2") == KEY
    assert template_of(f"dbsafe_t_{KEY[1:]}") == template_of(f"dbsafe_{TAG.run}_1") == ""


def test_tags_come_back_from_comments() -> None:
    assert read_tag(write_tag(TAG)) == TAG
    comment = write_tag(TAG, "The shop's\nown database")
    assert comment.startswith("The shop's\nown database\n")
    assert read_tag(comment) == TAG
    assert strip_tag(comment) == "The shop's\nown database"
    assert comment == write_tag(TAG, comment)


@pytest.mark.parametrize(
    "comment",
    [None, "", "dbsafe", "dbsafe: {}", "dbsafe: {broken", 'dbsafe: {"run":1,"pid":"x"}', "dbsafe: [1]"],
)
def test_other_comments_have_none(comment: str | None) -> None:
    assert read_tag(comment) is None


@given(st.text())
def test_no_comment_is_too_odd(text: str) -> None:
    read_tag(text)
    assert read_tag(write_tag(TAG, text)) == TAG


def test_claims_come_back_from_application_names() -> None:
    assert read_claim(write_claim(TAG.run)) == (TAG.run, "")
    assert read_claim(write_claim(TAG.run, KEY)) == (TAG.run, KEY)
    # PostgreSQL keeps 63 bytes of it.
    assert len(write_claim(TAG.run, KEY)) < 64
    assert read_claim("dbsafe") == read_claim(None) == read_claim("psql") == ("", "")


def test_lock_keys_fit_into_a_signed_integer() -> None:
    assert lock_key("ffffffff00") == -1
    assert lock_key("7fffffff00") == 2**31 - 1
