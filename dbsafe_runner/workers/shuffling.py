"""One seed for plugins that shuffle tests, in all processes and runs that are to have one order.

pytest-randomly and pytest-random-order choose a seed by chance where none is given, each process for
itself. Two runs that are compared would run their tests in two orders then.
"""

from __future__ import annotations

import pytest

#: The variable in which a serial run is told the seed.
SEED = "DBSAFE_SEED"
#: What pytest-random-order puts in front of a seed that nobody gave; without it, it starts to shuffle.
_BY_CHANCE = "default:"


def share_seed(config: pytest.Config, seed: int) -> None:
    """Give the plugins a seed where the user gave none. To be called before they are configured.

    A plugin that is missing or switched off has no such option, and nothing happens.
    """
    option = config.option
    if getattr(option, "randomly_seed", None) == "default":
        option.randomly_seed = seed
    given = getattr(option, "random_order_seed", None)
    if isinstance(given, str) and given.startswith(_BY_CHANCE):
        option.random_order_seed = f"{_BY_CHANCE}{seed}"
