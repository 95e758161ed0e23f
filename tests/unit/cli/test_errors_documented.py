from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]


def raised_codes() -> dict[str, str]:
    """Every code that is given to a UserError or a Notice as a literal, with the file it stands in."""
    found = {}
    for file in sorted((ROOT / "dbsafe_runner").rglob("*.py")):
        if "demo_project" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                code = node.args[0] if node.func.id == "UserError" and node.args else None
                if isinstance(code, ast.Constant):
                    found[code.value] = str(file.relative_to(ROOT))
    return found


def documented_codes() -> list[str]:
    return re.findall(r"^## (.*)$", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)


def test_every_error_is_documented() -> None:
    missing = {code: file for code, file in raised_codes().items() if code not in documented_codes()}
    assert not missing


def test_the_page_is_in_alphabetical_order() -> None:
    assert documented_codes() == sorted(set(documented_codes()))


def test_each_entry_names_its_exit_code() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    for entry in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        assert re.search(r"^Exit code: ", entry, re.MULTILINE), entry
