"""``python -m shop.cli``, run as cron runs it: as a program of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from shop import jobs

PROJECT = Path(__file__).parents[1]


def shop(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "shop.cli", *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_import_offers(autocommit, tmp_path):
    prices = tmp_path / "prices.csv"
    prices.write_text("sku,supplier,price,available\nNOVEL-000101-8,Northwind,7.95,40\nbad,x,1,1\n")
    run = shop("import-offers", prices)
    assert run.stdout == "1 new, 0 changed, 0 unchanged\n"
    assert run.stderr == "line 3: 'bad' does not look like an article number\n"
    assert run.returncode == 0
    assert autocommit.execute("SELECT price_cents FROM supplier_offers").fetchall() == [{"price_cents": 795}]


@pytest.mark.parametrize(
    ("content", "message"), [("a,b\n", "missing columns: sku"), (None, "No such file or directory")]
)
def test_import_of_a_bad_file(autocommit, tmp_path, content, message):
    prices = tmp_path / "prices.csv"
    if content is not None:
        prices.write_text(content)
    run = shop("import-offers", prices)
    assert run.returncode == 1
    assert message in run.stderr
    assert autocommit.execute("SELECT count(*) AS n FROM supplier_offers").fetchone()["n"] == 0


def test_work_jobs(autocommit):
    for order in (1, 2):
        jobs.enqueue(autocommit, "mail_invoice", {"order": order})
    run = shop("work-jobs")
    assert run.stdout == "invoice of order 1 mailed\ninvoice of order 2 mailed\n2 jobs done\n"
    assert autocommit.execute("SELECT count(*) AS n FROM jobs WHERE status = 'done'").fetchone()["n"] == 2


def test_two_programs_share_the_work(autocommit):
    for order in range(100):
        jobs.enqueue(autocommit, "mail_invoice", {"order": order})
    command = [sys.executable, "-m", "shop.cli", "work-jobs"]
    programs = [subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [line for program in programs for line in program.communicate(timeout=60)[0].splitlines()]
    mailed = [line for line in lines if line.endswith("mailed")]
    assert len(mailed) == len(set(mailed)) == 100


def test_unknown_command():
    run = shop("dance")
    assert run.returncode == 2
    assert "invalid choice: 'dance'" in run.stderr
