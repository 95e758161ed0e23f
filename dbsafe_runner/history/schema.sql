-- What is kept from run to run. One file for one suite; written once at the end of each run.
--
-- Versions, newest first (PRAGMA user_version):
--   2  whole_file
--   1  the first one

create table run (
    id integer primary key,
    started real not null,             -- Unix time
    workers integer not null,
    strategy text not null,
    dbsafe_version text not null,
    exit_code integer,                 -- null: the run did not get to its end
    interrupted integer not null,
    span real not null,                -- seconds from the first test to the last
    predicted real not null,           -- the plan's prediction of span; 0 is none
    lower_bound real not null
);

create table test (
    id integer primary key,
    nodeid text not null unique
);

-- How a test ended in a run. Bounded: the latest results of each test are kept.
create table result (
    test integer not null references test (id) on delete cascade,
    run integer not null references run (id) on delete cascade,
    outcome text not null,             -- a value of Outcome
    verdict text not null,             -- a value of Verdict
    worker text not null,
    level integer not null,            -- the level in force
    setup real not null,               -- seconds
    call real not null,
    teardown real not null,
    built text not null,               -- JSON: fixtures wider than the test that it had to build -> seconds
    primary key (test, run)
) without rowid;

-- What a test was seen to do, merged over all its runs with the same code.
create table observation (
    test integer not null references test (id) on delete cascade,
    own_code text not null,            -- hash of the test's file and of the files of its fixtures
    all_code text not null,            -- the same with everything that these import
    run integer not null,              -- the latest one
    facts text not null,               -- JSON, see facts_of in history/records.py
    primary key (test, own_code, all_code)
) without rowid;

-- A test whose outcome was found to hang on another.
create table dependency (
    test integer not null references test (id) on delete cascade,
    other integer not null references test (id) on delete cascade,
    verdict text not null,             -- victim or brittle
    own_code text not null,            -- of the test, when it was found
    run integer not null,
    primary key (test, other)
) without rowid;

-- A file whose tests have run in their order in one process, with every failure looked into: that they do
-- not need each other is known of no other file.
create table whole_file (
    file text not null,                -- as in node ids
    tests text not null,               -- hash of its tests in order, each with its own code
    code text not null,                -- the same with everything that they import
    run integer not null,              -- the latest one
    primary key (file, tests, code)
) without rowid;

create index result_of_run on result (run);
