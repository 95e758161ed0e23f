from __future__ import annotations

import argparse
from typing import Any, cast

import pytest

from dbsafe_runner.workers.shuffling import share_seed


def shared(**options: object) -> dict[str, Any]:
    option = argparse.Namespace(**options)
    config = argparse.Namespace(option=option)
    share_seed(cast("pytest.Config", config), 7)
    return vars(option)


def test_plugins_without_a_seed_get_one() -> None:
    options = shared(randomly_seed="default", random_order_seed="default:91")
    assert options == {"randomly_seed": 7, "random_order_seed": "default:7"}


@pytest.mark.parametrize("given", [3, "last"])
def test_a_seed_of_the_users_stays(given: object) -> None:
    options = {"randomly_seed": given, "random_order_seed": "91"}
    assert shared(**options) == options


def test_nothing_happens_where_no_plugin_shuffles() -> None:
    assert shared(verbose=1) == {"verbose": 1}
