"""``python -m shop.cli``: what cron and people run on the server."""

import argparse
import sys
from pathlib import Path

from shop import db, imports, jobs, reporting
from shop.csvfiles import BadHeaderError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 on success and 1 on bad input."""
    parser = argparse.ArgumentParser(prog="shop")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("import-offers").add_argument("file", type=Path)
    commands.add_parser("work-jobs")
    commands.add_parser("refresh-reports")
    options = parser.parse_args(arguments)
    with db.connect(autocommit=True) as connection:
        match options.command:
            case "import-offers":
                return _import(connection, options.file)
            case "work-jobs":
                print(f"{jobs.work_all(connection, {'mail_invoice': _mail_invoice})} jobs done")
            case "refresh-reports":
                reporting.refresh(connection)
                print("reports refreshed")
    return 0


def _import(connection, file: Path) -> int:
    try:
        result = imports.import_offers(connection, file.read_text(encoding="utf-8"))
    except (OSError, BadHeaderError) as error:
        print(f"shop: {error}", file=sys.stderr)
        return 1
    print(f"{result.inserted} new, {result.updated} changed, {result.unchanged} unchanged")
    for complaint in result.complaints:
        print(f"line {complaint.line}: {complaint.reason}", file=sys.stderr)
    return 0


def _mail_invoice(payload) -> None:
    print(f"invoice of order {payload['order']} mailed")


if __name__ == "__main__":
    sys.exit(main())
