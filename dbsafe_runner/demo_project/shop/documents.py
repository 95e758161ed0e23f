"""Manuals and data sheets of products, kept as large objects so that they can be read piece by piece."""

import hashlib
from collections.abc import Iterator

from psycopg import Connection

CHUNK = 64 * 1024
INV_READ = 0x40000


def store(connection: Connection, product_id: int, title: str, content: bytes) -> int:
    """Store a document; its id."""
    row = connection.execute(
        "INSERT INTO documents (product_id, title, content, size, sha256) "
        "VALUES (%s, %s, lo_from_bytea(0, %s), %s, %s) RETURNING id",
        (product_id, title, content, len(content), hashlib.sha256(content).digest()),
    ).fetchone()
    return row["id"]


def read(connection: Connection, document_id: int) -> Iterator[bytes]:
    """The document in pieces; needs a transaction that lasts until the last one. Raises LookupError."""
    row = connection.execute("SELECT content FROM documents WHERE id = %s", (document_id,)).fetchone()
    if row is None:
        raise LookupError(f"no document {document_id}")
    handle = connection.execute("SELECT lo_open(%s, %s) AS fd", (row["content"], INV_READ)).fetchone()["fd"]
    while piece := connection.execute("SELECT loread(%s, %s) AS data", (handle, CHUNK)).fetchone()["data"]:
        yield piece
    connection.execute("SELECT lo_close(%s)", (handle,))


def delete(connection: Connection, document_id: int) -> None:
    """Delete a document and its large object."""
    connection.execute(
        "WITH gone AS (DELETE FROM documents WHERE id = %s RETURNING content) "
        "SELECT lo_unlink(content) FROM gone",
        (document_id,),
    )
