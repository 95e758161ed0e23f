"""The catalogue's tables: what the methods and functions of known libraries do. Data only.

A line reads `names: verb kind`: what calling any of the names does (a verb of `verbs`), and the kind of
object that it returns, if any. Kinds are the catalogue's own words for types that behave alike.
"""

from __future__ import annotations

import functools
from typing import NamedTuple


class Entry(NamedTuple):
    """What calling something does, and what kind of object it returns."""

    verb: str
    gives: str


_METHODS = {
    # psycopg 2 and 3, asyncpg, pg8000, aiopg, and peewee's and tortoise's own connections.
    "Connection": """
        cursor: derive Cursor
        execute executemany copy_expert copy_from copy_to copy_records_to_table run: sql Cursor
        fetch fetchrow fetchval fetchmany execute_sql execute_query execute_query_dict: sql Result
        execute_insert execute_script execute_many: sql Result
        commit: commit
        rollback: rollback
        close terminate reset closed: close
        transaction tpc_begin: derive Block
        atomic: derive Block
        xact: derive Block
        set_autocommit set_session: set_autocommit
        set_isolation_level: nothing
        prepare: prepare Prepared
        notifies add_listener remove_listener add_notify_handler: signal
        lobject: large_object
        pipeline: derive Cursor
        begin: begin Transaction
        connect: connect_again Connection
        __enter__ __aenter__: same
    """,
    "Cursor": """
        execute executemany stream copy copy_expert copy_from copy_to callproc mogrify scroll: sql Cursor
        execute_values execute_batch: sql Cursor
        fetchone fetchall fetchmany fetchval results: read_result Result
        close: nothing
        __enter__ __aenter__: same
    """,
    "Prepared": """
        fetch fetchrow fetchval execute executemany cursor: prepared Result
    """,
    "Pool": """
        connection acquire getconn get_connection: checkout Connection
        putconn release close wait closeall open check resize disconnect expire_connections: nothing
        execute executemany fetch fetchrow fetchval: pool_sql Result
    """,
    "Block": """
        start: block_begin
        commit: block_commit
        rollback: block_rollback
        __enter__ __aenter__: block_begin
    """,
    "Transaction": """
        commit prepare: block_commit
        rollback: block_rollback
        close: block_rollback
    """,
    # SQLAlchemy and SQLModel.
    "Engine": """
        connect: engine_connect SaConnection
        raw_connection: engine_connect Connection
        begin: engine_begin EngineBegin
        execute: engine_sql Result
        dispose: nothing
        execution_options: execution_options Engine
        run_callable: nothing
    """,
    "SaConnection": """
        execute exec_driver_sql scalar scalars stream stream_scalars: sql Result
        commit: commit
        rollback: rollback
        close invalidate detach: close
        begin: begin Transaction
        begin_nested: savepoint Transaction
        begin_twophase: begin Transaction
        execution_options: execution_options SaConnection
        run_sync: run_sync
        get_raw_connection: same
        start: same
        connection: same
        __enter__ __aenter__: same
    """,
    "Session": """
        execute exec scalar scalars stream stream_scalars: sql Result
        get get_one: load Result
        query: query Query
        add add_all merge bulk_save_objects bulk_insert_mappings bulk_update_mappings delete: add
        flush: flush
        refresh expire expire_all expunge expunge_all: nothing
        commit: commit
        rollback: rollback
        close remove close_all aclose: close
        begin: begin Transaction
        begin_nested: savepoint Transaction
        connection get_bind bind: session_connection SaConnection
        run_sync: run_sync
        configure: configure
        __enter__ __aenter__: same
        __call__: same
    """,
    "SessionFactory": """
        begin: session_begin SessionBegin
        configure: configure
        remove: nothing
    """,
    "Query": """
        delete update: query_write
        all one first one_or_none scalar count get exists get_or_404 first_or_404: query_read Result
        paginate: query_read Result
    """,
    "Result": """
        all fetchall partitions: same
        one first one_or_none scalar_one scalar_one_or_none scalar fetchone: same
        scalars mappings unique columns tuples: same
        sqlmodel_update: query_write
    """,
    "MetaData": """
        create_all drop_all: metadata_ddl
        reflect: reads
    """,
    "Table": """
        insert update delete: table_write Statement
        select: table_read Statement
        create drop: table_ddl
    """,
    # Django, peewee, tortoise: everything goes through the model's default connection.
    "QuerySet": """
        create get_or_create update_or_create bulk_create bulk_update update delete: orm_write Result
        acreate aget_or_create aupdate_or_create abulk_create abulk_update aupdate: orm_write Result
        adelete: orm_write Result
        add remove set clear aadd aremove aset aclear create_user create_superuser: orm_write Result
        insert insert_many insert_from replace replace_many delete_by_id set_by_id: orm_write QuerySet
        get first last earliest latest aget afirst alast get_by_id get_or_none: orm_read Result
        count exists aggregate in_bulk iterator contains explain acount aexists: orm_read Result
        aaggregate scalar: orm_read Result
        filter exclude all order_by values values_list select_related: orm_read QuerySet
        prefetch_related annotate: orm_read QuerySet
        distinct only defer reverse using none select where join limit dates raw: orm_read QuerySet
        for_update: orm_read QuerySet
        select_for_update group_by offset union on_conflict on_conflict_ignore returning: same
        execute: orm_read Result
        truncate_table: orm_write
        create_table drop_table: orm_ddl
    """,
    "DjangoAttr": """
        create get_or_create update_or_create bulk_create add remove set clear update: orm_write Result
        delete save acreate aadd aremove aset aclear asave adelete: orm_write Result
        all filter exclude get first last count exists order_by values_list: orm_read QuerySet
        aget afirst acount aexists: orm_read Result
    """,
    "DjangoConnection": """
        cursor: derive Cursor
        schema_editor: derive SchemaEditor
        ensure_connection connect: reads
        close close_if_unusable_or_obsolete: nothing
        set_autocommit set_rollback: nothing
        commit: commit
        rollback: rollback
    """,
    "SchemaEditor": """
        create_model delete_model add_field remove_field alter_field execute: editor_ddl
        add_index remove_index add_constraint remove_constraint alter_db_table: editor_ddl
    """,
    "DjangoTransaction": """
        atomic: derive Block
        savepoint savepoint_commit savepoint_rollback clean_savepoints: nothing
        commit: commit
        rollback: rollback
        set_autocommit set_rollback: nothing
    """,
    "Database": """
        connect connection: reads Connection
        close: nothing
        execute execute_sql: sql Result
        create_tables drop_tables: database_ddl
        atomic transaction savepoint manual_commit: derive Block
        commit: commit
        rollback: rollback
        table_exists get_tables get_columns get_indexes: reads
        bind init: nothing
        begin: begin
    """,
}

_EXTERNALS = """
    psycopg.connect: connect Connection
    Connection.connect AsyncConnection.connect: connect Connection
    psycopg2.connect aiopg.connect psycopg2cffi.connect: connect2 Connection
    pg8000.connect dbapi.connect: connect2 Connection
    asyncpg.connect: connect_auto Connection
    native.Connection: connect_auto Connection
    asyncpg.create_pool: make_auto Pool
    aiopg.create_pool: make_auto Pool
    psycopg_pool.ConnectionPool psycopg_pool.AsyncConnectionPool: make Pool
    psycopg_pool.NullConnectionPool psycopg_pool.AsyncNullConnectionPool: make Pool
    psycopg2.ThreadedConnectionPool psycopg2.SimpleConnectionPool: make Pool
    psycopg2.execute_values psycopg2.execute_batch: sql_on_argument
    psycopg.SQL psycopg2.SQL psycopg.Composed psycopg2.Composed: sql_text
    psycopg.Identifier psycopg2.Identifier: sql_identifier
    psycopg.Literal psycopg2.Literal psycopg.Placeholder psycopg2.Placeholder: sql_hole
    sqlalchemy.create_engine sqlalchemy.create_async_engine sqlalchemy.engine_from_config: engine Engine
    sqlalchemy.async_engine_from_config sqlmodel.create_engine: engine Engine
    sqlalchemy.Session sqlalchemy.AsyncSession sqlmodel.Session sqlmodel.AsyncSession: session Session
    sqlalchemy.sessionmaker sqlalchemy.async_sessionmaker: session_factory SessionFactory
    sqlalchemy.scoped_session sqlalchemy.async_scoped_session: scoped_session Session
    sqlalchemy.text sqlmodel.text sqlalchemy.DDL sqlmodel.DDL: sql_text
    sqlalchemy.insert sqlalchemy.update sqlmodel.insert sqlmodel.update: statement_write Statement
    sqlalchemy.delete: statement_delete Statement
    sqlmodel.delete: statement_delete Statement
    sqlmodel.Relationship: plain driver
    sqlalchemy.select sqlmodel.select sqlalchemy.exists sqlalchemy.union: statement_read Statement
    sqlalchemy.union_all: statement_read Statement
    sqlmodel.union sqlmodel.union_all sqlmodel.exists: statement_read Statement
    sqlalchemy.CreateTable sqlalchemy.DropTable sqlalchemy.CreateSchema: statement_ddl Statement
    sqlalchemy.DropSchema: statement_ddl Statement
    sqlalchemy.CreateIndex sqlalchemy.DropIndex sqlalchemy.CreateSequence: statement_ddl Statement
    sqlalchemy.MetaData sqlmodel.MetaData: plain MetaData
    sqlalchemy.Table sqlmodel.Table: table Table
    sqlalchemy.Index: table_index Table
    sqlalchemy.declarative_base sqlalchemy.automap_base: declarative
    sqlalchemy.inspect: inspect
    sqlalchemy_utils.create_database sqlalchemy_utils.drop_database: cluster_database
    sqlalchemy_utils.database_exists: reads_somewhere
    event.listens_for sqlalchemy.listens_for: listens_for
    event.listen sqlalchemy.listen: listen
    flask_sqlalchemy.SQLAlchemy: flask_database
    command.upgrade command.downgrade command.stamp: alembic_ddl
    command.check command.current command.history command.heads: reads_somewhere
    command.revision: alembic_revision
    peewee.PostgresqlDatabase playhouse.PostgresqlExtDatabase: orm_database Database
    playhouse.PooledPostgresqlDatabase: orm_database Database
    playhouse.connect: orm_database Database
    peewee.SqliteDatabase: inert
    tortoise.init: tortoise_init
    Tortoise.init: tortoise_init
    Tortoise.generate_schemas Tortoise._drop_databases: orm_schema
    Tortoise.get_connection connections.get: orm_connection Connection
    Tortoise.close_connections: nothing
    tortoise.in_transaction tortoise.atomic: orm_block Block
    ddf.G ddf.get ddf.N ddf.new model_bakery.make baker.make mixer.blend: row_factory
    post_migrate.connect: after_migration
    sqlite3.connect aiosqlite.connect: inert
"""


@functools.cache
def methods(kind: str) -> dict[str, Entry]:
    """Return the methods of a kind of object."""
    return _parsed(_METHODS.get(kind, ""))


@functools.cache
def externals() -> dict[str, Entry]:
    """Return the known functions and classes, by the first and the last part of their names."""
    return _parsed(_EXTERNALS)


def _parsed(text: str) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for line in filter(None, (raw.strip() for raw in text.splitlines())):
        names, _, does = line.partition(": ")
        verb, _, gives = does.partition(" ")
        found.update(dict.fromkeys(names.split(), Entry(verb, gives)))
    return found
