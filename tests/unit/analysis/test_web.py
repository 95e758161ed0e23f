# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Requests of test clients, followed into the app."""

from __future__ import annotations

import pytest

from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
APP = """
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, status
from sqlalchemy import create_engine, delete, select
from sqlalchemy.orm import DeclarativeBase, Session

engine = create_engine("postgresql://localhost/shop")

class Base(DeclarativeBase):
    pass

class Item(Base):
    __tablename__ = "items"

def get_db():
    with Session(engine) as session:
        yield session

Db = Annotated[Session, Depends(get_db)]
router = APIRouter(prefix="/items")

@router.get("/")
def list_items(db: Db):
    return db.scalars(select(Item)).all()

@router.post("/{item_id}")
def make_item(item_id: int, db: Session = Depends(get_db)):
    if db.get(Item, item_id):
        raise HTTPException(status_code=409, detail="there already")
    db.add(Item())
    db.commit()
    if item_id > 7:
        raise HTTPException(status_code=status.HTTP_418_IM_A_TEAPOT)

@router.delete("/{item_id}/rest")
def forget(item_id: int):
    return None

app = FastAPI()
app.include_router(router, prefix="/api")
"""
HEAD = "from app import *\nfrom fastapi.testclient import TestClient\nclient = TestClient(app)\nroot = '/api'\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("client.get('/api/items/')", READ),
        ("client.get(f'{root}/items/?page=2')", READ),
        ("client.post('/api/items/3')", SHARED),
        ("client.post(f'{root}/items/{number()}')", SHARED),
        ("client.request('POST', '/api/items/3')", SHARED),
        ("client.delete('/api/items/3/rest')", NONE),
        ("client.delete('/api/nowhere')", SHARED),
        ("client.get('/api/nowhere')", READ),
        ("r = client.post('/api/items/3')\n    assert r.status_code == 409", READ),
        ("r = client.post('/api/items/3')\n    assert 418 == r.status_code", SHARED),
        ("r = client.post('/api/items/3')\n    assert r.status_code == 200", SHARED),
        ("with TestClient(app) as c:\n        c.post('/api/items/3')", SHARED),
    ],
)
def test_fastapi(level, body: str, expected: Level) -> None:
    assert level(f"{HEAD}\ndef test_it():\n    {body}\n", {"app.py": APP}) is expected


def test_the_handler_is_named_as_the_place(footprint) -> None:
    found = footprint(f"{HEAD}\ndef test_it():\n    client.post('/api/items/3')\n", {"app.py": APP})
    assert found.writes == {"items"}
    assert [one.file for one in found.evidence if one.what.startswith("writes")] == ["app.py"]


def test_an_overridden_dependency_takes_the_place_of_the_real_one(level) -> None:
    conftest = """
import pytest
from app import *
from fastapi.testclient import TestClient

@pytest.fixture
def session():
    connection = engine.connect()
    transaction = connection.begin()
    with Session(bind=connection) as session:
        yield session
    transaction.rollback()

@pytest.fixture
def client(session):
    app.dependency_overrides[get_db] = lambda: session
    yield TestClient(app)
    app.dependency_overrides.clear()
"""
    files = {"app.py": APP, "conftest.py": conftest}
    assert level("def test_it(client):\n    client.post('/api/items/3')\n", files) is ISOLATED


def test_an_override_does_not_outlive_its_test(suite) -> None:
    source = """
from app import *
from fastapi.testclient import TestClient
import pytest

@pytest.fixture
def overridden():
    app.dependency_overrides[get_db] = lambda: None

def test_a(overridden):
    TestClient(app).get('/api/items/')

def test_b():
    TestClient(app).post('/api/items/3')
"""
    found = suite({"app.py": APP, "test_it.py": source}).footprints()
    assert found["test_it.py::test_b"].outlives


def test_an_asynchronous_client(level) -> None:
    source = """
from app import app
from httpx import ASGITransport, AsyncClient

async def test_it():
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        await client.post("/api/items/3")
"""
    assert level(source, {"app.py": APP}) is SHARED


def test_flask(level) -> None:
    app = """
from flask import Blueprint, Flask
from flask_sqlalchemy import SQLAlchemy

db = SQLAlchemy()
pages = Blueprint("pages", __name__, url_prefix="/pages")

class Page(db.Model):
    __tablename__ = "pages"

@pages.route("/", methods=["POST"])
def make():
    db.session.add(Page())
    db.session.commit()

@pages.route("/<int:number>")
def show(number):
    return db.session.get(Page, number)

def create_app():
    app = Flask(__name__)
    app.register_blueprint(pages)
    return app
"""
    head = "import pytest\nfrom app import create_app\n@pytest.fixture\ndef client():\n    return create_app().test_client()\n"
    assert (
        level(f"{head}\ndef test_it(client):\n    client.post('/pages/')\n", {"app.py": app}) is SHARED
    )
    assert level(f"{head}\ndef test_it(client):\n    client.get('/pages/3')\n", {"app.py": app}) is READ
