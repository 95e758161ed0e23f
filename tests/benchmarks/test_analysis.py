"""How long static analysis takes. By hand: pytest tests/benchmarks/test_analysis.py -s"""

from __future__ import annotations

import statistics
import textwrap
import time
from pathlib import Path

from dbsafe_runner.analysis.analysis import analyse
from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.session.analysis_cache import AnalysisCache
from dbsafe_runner.session.analysis_processes import spread
from dbsafe_runner.session.discovery import discover
from dbsafe_runner.session.parts import usable_cores
from dbsafe_runner.session.sources import SourceFiles

FILES, TESTS, MODULES, TURNS = 1_000, 10, 60, 3

CONFTEST = """
    import psycopg
    import pytest
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from shop.models import Base

    URL = "postgresql://shop@localhost/shop"


    @pytest.fixture(scope="session")
    def engine():
        engine = create_engine(URL)
        Base.metadata.create_all(engine)
        yield engine
        engine.dispose()


    @pytest.fixture
    def session(engine):
        with engine.connect() as connection:
            transaction = connection.begin()
            with Session(bind=connection, join_transaction_mode="create_savepoint") as session:
                yield session
            transaction.rollback()


    @pytest.fixture
    def raw():
        with psycopg.connect(URL) as connection:
            yield connection
            connection.rollback()
"""
MODELS = """
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


    class Base(DeclarativeBase):
        pass
"""
MODEL = """

    class Item{n}(Base):
        __tablename__ = "item_{n}"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        price: Mapped[int]
"""
MODULE = """
    import dataclasses

    from sqlalchemy import select

    from shop.models import Item{n}
    from shop.part_{next} import tidy_{next}


    @dataclasses.dataclass
    class Order{n}:
        name: str
        lines: list


    class Store{n}:
        def __init__(self, session):
            self.session = session

        def add(self, name, price):
            item = Item{n}(name=name, price=price)
            self.session.add(item)
            self.session.flush()
            return self._priced(item)

        def _priced(self, item):
            if item.price < 0:
                raise ValueError(item.price)
            self.session.execute(select(Item{n}).where(Item{n}.id == item.id)).scalar_one()
            return item

        def place(self, order):
            for line in order.lines:
                self.add(tidy_{next}(line), len(line))
            self.session.commit()
            return order


    def tidy_{n}(text):
        words = [word.strip() for word in text.split()]
        return " ".join(word for word in words if word)


    def count_{n}(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM item_{n} WHERE price > %s", (0,))
            return cursor.fetchone()[0]


    def archive_{n}(connection, limit):
        connection.execute("INSERT INTO archive SELECT * FROM item_{n} LIMIT " + str(limit))
        connection.execute("DELETE FROM item_{n} WHERE id IN (SELECT id FROM archive)")
        return count_{n}(connection)
"""
TEST_KINDS = (
    """
    def test_adds_{t}(session):
        store = Store{n}(session)
        names = ["name {u}", "another {u}", "a third"]
        prices = {{"name {u}": {u}, "another {u}": {t}, "a third": 3}}
        items = []
        for name in names:
            items.append(store.add(name, prices[name]))
        item = store.add("last {u}", {u})
        assert item.name == "last {u}"
        assert item.price == {u}
        assert [one.name for one in items] == names
        assert sum(one.price for one in items) == sum(prices.values())
    """,
    """
    def test_places_{t}(session):
        lines = ["a  line", "another one {u}"]
        if len(lines) != 2:
            pytest.skip("nothing to do")
        store = Store{n}(session)
        order = store.place(Order{n}("order {u}", lines))
        assert order.name == "order {u}"
        assert len(order.lines) == 2
        with pytest.raises(ValueError):
            store.place(Order{n}("wrong {u}", None))
        assert all(line.strip() for line in order.lines)
    """,
    """
    def test_counts_{t}(raw):
        before = count_{n}(raw)
        raw.execute("INSERT INTO item_{n} (name, price) VALUES ('name {u}', %s)", ({u},))
        raw.execute(f"UPDATE item_{n} SET price = price + {{before}} WHERE name = 'name {u}'")
        after = count_{n}(raw)
        assert before >= 0
        assert after == before + 1, f"{{before}} before, {{after}} after"
        rows = raw.execute("SELECT name FROM item_{n} WHERE price = %s", ({u},)).fetchall()
        assert rows
    """,
    """
    def test_archives_{t}(raw):
        try:
            left = archive_{n}(raw, {u})
        except psycopg.Error as error:
            pytest.fail(f"not archived: {{error}}")
        else:
            assert left >= 0
        raw.commit()
        assert count_{n}(raw) == left
    """,
    """
    def test_tidies_{t}():
        text = "  some   words {u} "
        assert tidy_{n}(text) == "some words {u}"
        assert tidy_{n}("") == ""
        words = [word for word in text.split() if word.isalpha()]
        assert words == ["some", "words"]
        for word in text.split():
            assert tidy_{n}(word) == word
    """,
)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")


def make(root: Path) -> None:
    """The suite: every test calls into the project's modules, some levels deep."""
    write(root / "conftest.py", CONFTEST)
    write(root / "shop/__init__.py", "")
    models = textwrap.dedent(MODELS)
    for n in range(MODULES):
        models += textwrap.dedent(MODEL.format(n=n))
        write(root / f"shop/part_{n}.py", MODULE.format(n=n, next=(n + 1) % MODULES))
    write(root / "shop/models.py", models)
    for number in range(FILES):
        n = number % MODULES
        names = f"Order{n}, Store{n}, archive_{n}, count_{n}, tidy_{n}"
        head = f"import psycopg\nimport pytest\n\nfrom shop.part_{n} import {names}\n"
        bodies = (
            TEST_KINDS[t % len(TEST_KINDS)].format(t=t, n=n, u=number * TESTS + t) for t in range(TESTS)
        )
        text = head + "".join(textwrap.dedent(body) for body in bodies)
        write(root / f"tests/test_{number:04}.py", text)


def test_analysing_a_thousand_files(tmp_path: Path) -> None:
    make(tmp_path)
    config = load_config(tmp_path, environment={})
    request = RunRequest(tmp_path, (), verbosity=0, colour=False, fresh_template=False)
    suite, _ = discover(config, request)
    assert len(suite.tests) == FILES * TESTS
    ways = {"in one process": 1, "in all": usable_cores()}
    taken: dict[str, list[float]] = {}
    results = []
    for turn in range(TURNS):
        for way, cores in ways.items():
            for name in (f"cold, {way}", "warm"):
                files = SourceFiles(suite.rootdir, suite.python_path)
                start = time.perf_counter()
                cache = AnalysisCache(tmp_path / f"{turn} {way}")
                results.append(analyse(suite.tests, files, cache, spread(files, cores)))
                cache.save()
                taken.setdefault(name, []).append(time.perf_counter() - start)
    assert len(results[0]) == len(suite.tests)
    assert all(found == results[0] for found in results)
    print(f"\n{FILES} files, {len(suite.tests)} tests, {usable_cores()} processors; seconds:")
    for name, seconds in taken.items():
        print(f"{name}: median {statistics.median(seconds):.2f}, least {min(seconds):.2f}")
