"""Schema clones: a script that makes a schema again under another name, content included.

PostgreSQL's own functions give the definitions of all objects as they are seen with the schema alone on
search_path; run with another schema there, they make the same objects in that one. In which order is
found out by trying, once. Whether a clone is faithful is checked in the catalogs before any is used.
What cannot be cloned is named, and refused where a clone would do something else than its source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from dbsafe_runner.database.clones import split_names
from dbsafe_runner.database.link import load_sql
from dbsafe_runner.database.sessions import Connection
from dbsafe_runner.errors import ExitCode, UserError

#: In the order in which they mostly can run: objects, content, and what would hinder the copying.
_PARTS: Final = ("types", "tables", "routines", "data", "constraints", "grants", "comments")
_QUERIES: Final = {part: load_sql(f"clone_{part}") for part in _PARTS}
_GAPS: Final = load_sql("clone_gaps")
_TIES: Final = load_sql("clone_ties")

#: Objects of the schema with a search_path of their own, which may name the schema.
_PATHS: Final = """
select p.oid::regprocedure::text, substr(s.setting, 13)
  from pg_proc as p, unnest(p.proconfig) as s (setting)
 where p.pronamespace = $1::oid and s.setting like 'search\\_path=%'
   and not exists (select from pg_depend as e
                    where e.classid = 'pg_proc'::regclass and e.objid = p.oid and e.deptype = 'e')
"""
_SCHEMA_GRANTS: Final = """
select a.privilege_type, case when a.grantee = 0 then '' else pg_get_userbyid(a.grantee)::text end
  from pg_namespace as n, aclexplode(n.nspacl) as a
 where n.oid = $1::oid and pg_get_userbyid(a.grantee) <> current_user
 order by 2, 1
"""
#: Only what our role may say itself. In a schema these can but add rights.
_DEFAULTS: Final = """
select format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA ', pg_get_userbyid(d.defaclrole)),
       format(' GRANT %s ON %s TO %s', a.privilege_type,
              case d.defaclobjtype when 'r' then 'TABLES' when 'S' then 'SEQUENCES'
                                   when 'f' then 'FUNCTIONS' when 'T' then 'TYPES' end,
              case when a.grantee = 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(a.grantee)) end)
       || case when a.is_grantable then ' WITH GRANT OPTION' else '' end
  from pg_default_acl as d, aclexplode(d.defaclacl) as a
 where d.defaclnamespace = $1::oid and d.defaclobjtype in ('r', 'S', 'f', 'T')
   and pg_has_role(d.defaclrole, 'USAGE')
 order by 1, 2
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Rights:
    """What roles may do in a schema, and with what is made there."""

    #: (privilege on the schema, role or "" for PUBLIC).
    grants: tuple[tuple[str, str], ...] = ()
    #: Default privileges: (text before the schema's name, text behind it).
    defaults: tuple[tuple[str, str], ...] = ()

    def lines(self, schema: str) -> list[str]:
        """What gives the same rights in another schema, which our role owns."""
        name = _quoted(schema)
        lines = [
            f"GRANT {privilege} ON SCHEMA {name} TO {_quoted(role) if role else 'PUBLIC'}"
            for privilege, role in self.grants
        ]
        return lines + [f"{before}{name}{behind}" for before, behind in self.defaults]


@dataclasses.dataclass(frozen=True, slots=True)
class Script:
    """What makes a clone of `source`."""

    source: str
    #: (statement, whether the source is behind it on search_path, for extensions that live there).
    statements: tuple[tuple[str, bool], ...]
    rights: Rights
    #: (signature of a function, names on its search_path).
    paths: tuple[tuple[str, tuple[str, ...]], ...]

    def text(self, target: str, comment: str) -> str:
        """One text that makes the clone `target`; to be run in one transaction."""
        name = _quoted(target)
        lines = [
            f"CREATE SCHEMA {name}",
            f"COMMENT ON SCHEMA {name} IS {sql.Literal(comment).as_string()}",
            "SET LOCAL check_function_bodies = off",
            "SET LOCAL row_security = off",
            "SET LOCAL client_min_messages = error",
        ]
        before: bool | None = None
        for statement, wide in self.statements:
            if wide is not before:
                lines.append(_path(target, self.source if wide else ""))
                before = wide
            lines.append(statement)
        lines.append(_path(target, self.source))
        for signature, names in self.paths:
            path = ", ".join(_quoted(target if one == self.source else one) for one in names)
            lines.append(f"ALTER ROUTINE {signature} SET search_path TO {path}")
        # In the end: the objects have the grants of those in the source, and none beside them.
        lines += self.rights.lines(target)
        return ";\n".join(lines)


def read_rights(connection: Connection, schema: str) -> Rights:
    """What roles may do in a schema; nothing when there is no such schema."""
    row = connection.execute("select oid from pg_namespace where nspname = %s", [schema]).fetchone()
    if row is None:
        return Rights()
    return Rights(
        tuple(_raw(connection, _SCHEMA_GRANTS, [row[0]])), tuple(_raw(connection, _DEFAULTS, [row[0]]))
    )


def gaps(connection: Connection, source: str) -> tuple[list[str], list[str]]:
    """What would make clones of a schema wrong, and what they merely lack, in words.

    Args:
        connection: a session in the schema's database.
        source: the schema.
    """
    with connection.transaction():
        connection.execute(_path(source))
        rows = _raw(connection, _GAPS, [_oid(connection, source), [source]])
    return [str(text) for wrong, text in rows if wrong], [str(text) for wrong, text in rows if not wrong]


def read_script(connection: Connection, source: str, trial: str) -> Script:
    """Read how a schema is made, by making and removing one clone of it.

    Args:
        connection: a session in the schema's database.
        source: the schema.
        trial: the name of the clone that is made and rolled back.

    Raises:
        UserError: `schema-not-cloned`, with all that is in the way.
    """
    with connection.transaction():
        connection.execute(_path(source))
        oid = _oid(connection, source)
        statements = [row[0] for part in _PARTS for row in _raw(connection, _QUERIES[part], [oid])]
        rights = read_rights(connection, source)
        paths = tuple(
            (signature, tuple(split_names(value)))
            for signature, value in _raw(connection, _PATHS, [oid])
        )
    paths = tuple((signature, names) for signature, names in paths if source in names)
    with connection.transaction(force_rollback=True):
        empty = Script(source, (), rights, ())
        connection.execute(empty.text(trial, ""))
        ordered = _find_order(connection, source, trial, statements)
        connection.execute(_path(trial, source))
        script = Script(source, tuple(ordered), rights, paths)
        ties = _raw(connection, _TIES, [_oid(connection, trial), oid])
        if ties:
            lines = [f"{one} would go on to use {other} of the source" for one, other in ties]
            raise not_cloned(source, lines)
    return script


def not_cloned(source: str, reasons: Sequence[str]) -> UserError:
    """The error that names what cannot be cloned."""
    return UserError(
        "schema-not-cloned",
        f"The schema {source} cannot be cloned faithfully.",
        cause="\n".join(f"- {reason}" for reason in reasons),
        hint="Change what is listed, or use --namespace database, which copies everything; it needs a "
        "role with CREATEDB.",
        exit_code=ExitCode.SERVER,
    )


def _find_order(
    connection: Connection, source: str, trial: str, statements: Sequence[str]
) -> list[tuple[str, bool]]:
    """Run all statements, each as soon as it can; return them as they ran.

    The source goes on search_path only when nothing else can run: a name that the clone has not yet must
    not be taken for the source's.
    """
    ordered: list[tuple[str, bool]] = []
    pending = list(statements)
    wide = False
    while pending:
        connection.execute(_path(trial, source if wide else ""))
        left: list[str] = []
        failures: list[str] = []
        for position, statement in enumerate(pending):
            try:
                with connection.transaction():
                    connection.execute(statement.encode())
            except psycopg.Error as error:
                left.append(statement)
                failures.append(f"{_first_line(statement)}: {_first_line(str(error))}")
            else:
                ordered.append((statement, wide))
                if wide:
                    left += pending[position + 1 :]
                    break
        if len(left) == len(pending):
            if wide:
                raise not_cloned(source, failures[:20])
            wide = True
        else:
            wide = False
        pending = left
    return ordered


def _oid(connection: Connection, schema: str) -> int:
    row = connection.execute("select oid from pg_namespace where nspname = %s", [schema]).fetchone()
    if row is None:
        raise not_cloned(schema, ["there is no such schema"])
    return int(row[0])


def _raw(connection: Connection, query: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    # With $1 for parameters, % stays what it is to format().
    cursor = psycopg.RawCursor(connection)
    return cursor.execute(query.encode(), parameters).fetchall()


def _path(*schemas: str) -> str:
    return "SET LOCAL search_path TO " + ", ".join(_quoted(schema) for schema in schemas if schema)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:200]
