# ruff: noqa: E501 - SQL reads better in one line than cut up.
"""A database of a real server per test, its keeper, and an account of all that is in it."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dbsafe_runner.database.embedded import EmbeddedProvider
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.domain.namespace import Namespace

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")

#: Rows of every table and view with storage, in the order in which they lie; sequences; large objects;
#: and the definitions of everything that has one. Independent of how the product compares.
_RELATIONS = """
    select c.oid::regclass::text, c.relkind, c.relispopulated from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm', 'S') and n.nspname not in ('pg_catalog', 'information_schema')
       and n.nspname not like 'pg\\_%' order by 1"""
_DEFINITIONS = """
    select 'class', c.oid::regclass::text, c.relkind::text, concat(c.relowner::regrole, c.relacl, c.relpersistence,
           c.relrowsecurity, c.relforcerowsecurity, c.reloptions, pg_get_partkeydef(c.oid),
           pg_get_expr(c.relpartbound, c.oid))
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname !~ '^pg_|^information_schema$'
    union all select 'column', attrelid::regclass::text, attname,
           concat(atttypid::regtype, attnotnull, attidentity, attgenerated, pg_get_expr(d.adbin, d.adrelid))
      from pg_attribute left join pg_attrdef d on adrelid = attrelid and adnum = attnum
     where attnum > 0 and attrelid >= 16384 and attrelid not in (select oid from pg_class where relkind = 't')
       and attrelid not in (select oid from pg_class where relpersistence = 't')
    union all select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint
     where oid >= 16384
    union all select 'trigger', tgrelid::regclass::text, tgname, concat(tgenabled, pg_get_triggerdef(oid)) from pg_trigger
     where not tgisinternal
    union all select 'rule', ev_class::regclass::text, rulename, concat(ev_enabled, pg_get_ruledef(oid)) from pg_rewrite
     where oid >= 16384
    union all select 'index', indexrelid::regclass::text, '', pg_get_indexdef(indexrelid) from pg_index
     where indexrelid >= 16384 and indrelid not in (select oid from pg_class where relkind = 't' or relpersistence = 't')
    union all select 'function', oid::regprocedure::text, '', case prokind when 'a' then '' else pg_get_functiondef(oid) end
      from pg_proc where oid >= 16384 and pronamespace::regnamespace::text not like 'pg\\_temp%'
    union all select 'policy', polrelid::regclass::text, polname, '' from pg_policy
    union all select 'type', oid::regtype::text, '', '' from pg_type where oid >= 16384 and typtype <> 'c' and typelem = 0
    union all select 'enum', enumtypid::regtype::text, enumlabel, '' from pg_enum
    union all select 'schema', nspname, coalesce(nspacl::text, ''), '' from pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all select 'extension', extname, extversion, '' from pg_extension
    union all select 'role', rolname, '', '' from pg_roles
    union all select 'database', datname, coalesce(datacl::text, ''), '' from pg_database
    union all select 'setting', setdatabase::text, setrole::text, setconfig::text from pg_db_role_setting
    union all select 'prepared', gid, '', '' from pg_prepared_xacts
    order by 1, 2, 3, 4"""


class Place:
    """A database under test."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.database = namespace.database
        self.sessions: list[psycopg.Connection[Any]] = []
        self.suite = self.connect()
        self.made: Keeper | None = None

    def connect(self, database: str = "", *, autocommit: bool = True) -> psycopg.Connection[Any]:
        """A session of the suite."""
        session = psycopg.connect(
            self.namespace.admin_dsn, dbname=database or self.database, autocommit=autocommit
        )
        self.sessions.append(session)
        return session

    def run(self, script: str) -> None:
        """Run statements, each in a transaction of its own where it is separated by a line of dashes."""
        for part in script.split("\n---\n"):
            self.suite.execute(part)

    @property
    def keeper(self) -> Keeper:
        """The keeper, made at the first use: what is there then is the baseline."""
        if self.made is None:
            self.made = Keeper(self.namespace)
        return self.made

    def everything(self) -> dict[str, Any]:
        """All that is in the database and in what databases share."""
        found: dict[str, Any] = {"definitions": self.suite.execute(_DEFINITIONS).fetchall()}
        for name, kind, populated in self.suite.execute(_RELATIONS).fetchall():
            if kind == "S":
                found[name] = self.suite.execute(f"select last_value, is_called from {name}").fetchall()
            elif populated:
                only = "only" if kind == "r" else ""
                found[name] = self.suite.execute(f"select t::text from {only} {name} as t").fetchall()
        found["large objects"] = self.suite.execute(
            "select oid, lomowner::regrole::text, lomacl::text, lo_get(oid) from pg_largeobject_metadata order by oid"
        ).fetchall()
        return found

    def close(self) -> None:
        """End everything."""
        if self.made is not None:
            self.made.close()
        for session in self.sessions:
            session.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Namespace]]:
    """Servers by name, made when they are first asked for."""
    area = Path(
        tempfile.mkdtemp(prefix="dbs-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
    )
    area.chmod(0o711)
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DBSAFE_SERVERS_DIR", str(area / "run"))
        patch.setenv("DBSAFE_CACHE_DIR", str(area / "cache"))

        class Servers(dict[str, Namespace]):
            def __missing__(self, name: str) -> Namespace:
                postgres = "auto" if name == "embedded" else name
                provider = EmbeddedProvider(TemplateRequest(root=area), postgres=postgres)
                stack.callback(provider.close)
                provider.prepare(lambda _: None)
                namespace = provider.acquire("gw0")
                with psycopg.connect(namespace.admin_dsn, autocommit=True) as session:
                    session.execute("alter system set max_prepared_transactions = 5")
                provider.adopt(namespace)
                self[name] = namespace
                return namespace

        yield Servers()
    shutil.rmtree(area, ignore_errors=True)


_numbers = itertools.count()


#: Each way to observe on the versions that it is for; the others are long, where there is an older server.
_LONG = pytest.mark.long if DEBIAN_15.is_dir() else ()
PLACES = (
    "wal-18",
    pytest.param("wal-15", marks=_LONG),
    pytest.param("scan-18", marks=_LONG),
    "scan-15",
)


@pytest.fixture(params=PLACES)
def place(
    request: pytest.FixtureRequest, servers: dict[str, Namespace], tmp_path: Path
) -> Iterator[Place]:
    """A new database, looked after by each observer in turn."""
    method, _, version = request.param.partition("-")
    if version == "15" and not DEBIAN_15.is_dir():
        pytest.skip("PostgreSQL 15 is not installed")
    server = servers["embedded" if version == "18" else str(DEBIAN_15)]
    name = f"shop{next(_numbers)}"
    with psycopg.connect(server.admin_dsn, autocommit=True) as session:
        session.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        # Servers before version 15 have no WAL observer: so the other one is tested on these, too.
        number = 140000 if method == "scan" else server.server_version
        here = Place(
            dataclasses.replace(server, database=name, server_version=number, scratch=str(tmp_path))
        )
        try:
            yield here
        finally:
            here.close()
            session.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
