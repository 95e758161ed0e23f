"""Documents as large objects. They are committed, and stay when a test does not delete them."""

import hashlib
import random

import psycopg
import pytest

from shop import db, documents


@pytest.fixture
def store():
    with db.connect() as connection:
        yield connection
        connection.commit()


@pytest.fixture(scope="module")
def manual():
    """Two megabytes that do not compress."""
    return random.Random(7).randbytes(2 * 1024 * 1024)


def large_objects(connection):
    return connection.execute("SELECT count(*) AS n FROM pg_largeobject_metadata").fetchone()["n"]


def test_store_and_read(store):
    document = documents.store(store, 1, "Data sheet", b"weighs 320 g")
    store.commit()
    assert b"".join(documents.read(store, document)) == b"weighs 320 g"


def test_empty_document(store):
    document = documents.store(store, 1, "Empty", b"")
    assert list(documents.read(store, document)) == []


def test_large_document_arrives_in_pieces(store, manual):
    document = documents.store(store, 1, "Manual", manual)
    store.commit()
    pieces = list(documents.read(store, document))
    assert len(pieces) == 32
    assert hashlib.sha256(b"".join(pieces)).digest() == hashlib.sha256(manual).digest()


def test_size_and_hash_are_kept(store, manual):
    document = documents.store(store, 2, "Manual", manual)
    row = store.execute("SELECT size, sha256 FROM documents WHERE id = %s", (document,)).fetchone()
    assert row["size"] == len(manual)
    assert row["sha256"] == hashlib.sha256(manual).digest()


def test_unknown_document(store):
    with pytest.raises(LookupError, match="no document 0"):
        list(documents.read(store, 0))


def test_delete_removes_the_large_object(store, manual):
    before = large_objects(store)
    document = documents.store(store, 3, "Manual", manual)
    store.commit()
    assert large_objects(store) == before + 1
    documents.delete(store, document)
    store.commit()
    assert large_objects(store) == before


def test_rolled_back_document_leaves_no_large_object(store, manual):
    before = large_objects(store)
    documents.store(store, 3, "Manual", manual)
    store.rollback()
    assert large_objects(store) == before


def test_document_of_an_unknown_product(store):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        documents.store(store, 999_999, "Lost", b"x")
    store.rollback()


def test_another_connection_reads_what_is_committed(store, manual):
    document = documents.store(store, 4, "Manual", manual)
    with db.connect() as other:
        with pytest.raises(LookupError):
            list(documents.read(other, document))
        store.commit()
        assert sum(map(len, documents.read(other, document))) == len(manual)
