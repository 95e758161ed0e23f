"""The shop's reference data, as rows for ``op.bulk_insert``."""

import csv
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of ``name.csv``: empty cells are None, ``true`` and ``false`` booleans, numbers ints."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [{key: _value(cell) for key, cell in row.items()} for row in csv.DictReader(file)]


def _value(cell: str) -> Any:
    if cell in ("", "true", "false"):
        return {"": None, "true": True, "false": False}[cell]
    return int(cell) if cell.isdigit() else cell
