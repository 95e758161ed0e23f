"""Drivers: one module per driver, each with `patch(module)` that is called once the driver is imported.

A driver's module imports the driver nowhere at its top: what the suite does not use is never loaded.
"""

from __future__ import annotations

import importlib
from types import ModuleType

#: Driver package -> our module that patches it.
SUPPORTED = {
    "psycopg": "driver_psycopg",
    "psycopg2": "driver_psycopg2",
    "psycopg2cffi": "driver_psycopg2cffi",
    "asyncpg": "driver_asyncpg",
    "pg8000": "driver_pg8000",
}


def patch(driver: ModuleType) -> None:
    """Make a driver's connections go where the rules in force say.

    Raises patching.MissingAttributeError when this version of the driver is built otherwise.
    """
    module = importlib.import_module("." + SUPPORTED[driver.__name__], __package__)
    module.patch(driver)
