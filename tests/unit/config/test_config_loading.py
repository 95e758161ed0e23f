from __future__ import annotations

from pathlib import Path

import pytest
from fakes.configurations import load, refusal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbsafe_runner.config.reference import settings_by_name
from dbsafe_runner.domain.level import Level
from dbsafe_runner.errors import UserError

#: Speed is not what is tested here, and each example overwrites the file of the one before.
FUZZ = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.file is None
    assert config.root == tmp_path
    assert config.database.source == ()
    assert config.database.guard is True
    assert config.run.output == tmp_path / ".dbsafe/results"


def test_options_outrank_the_environment_which_outranks_the_file(tmp_path: Path) -> None:
    text = '[run]\ntimeout = 1\nretries = 1\ngrouping = "file"\n'
    environment = {"DBSAFE_RUN_TIMEOUT": "2", "DBSAFE_RUN_RETRIES": "2"}
    config = load(tmp_path, text, environment=environment, options={"run.timeout": "3"})
    assert (config.run.timeout, config.run.retries, config.run.grouping) == (3, 2, "file")


def test_an_option_that_was_not_given_changes_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "[run]\ntimeout = 1\n", options={"run.timeout": None}).run.timeout == 1


def test_all_problems_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    text = """\
[databse]
x = 1
[database]
sorce = "x"
server = "postgresqll://u:secret@host/db"
inputs = ["a",
  3]
timeout = 4
[workers]
count = "many"
[run]
timeout = -1
retries = true
[[rules]]
level = 9
nodeid = "a"
[[rules]]
mark = "x"
[[rules]]
mark = "x"
leval = 2
[strategies]
a = 3
"""
    environment = {"DBSAFE_RUN_TIMEOUT": "soon", "DBSAFE_WORKERS": "4"}
    options = {"database.setup_timeout": "x", "run.pytest": ["-k 'a"]}
    error = refusal(tmp_path, text, environment=environment, options=options)
    server = '"auto", "embedded" or a URL that starts with postgresql://'
    assert error.code == "bad-configuration"
    assert error.cause.split("\n") == [
        'runner.toml:1: unknown section [databse] (did you mean "database"?)',
        'runner.toml:4: unknown key "sorce" in [database] (did you mean "source"?)',
        f'runner.toml:5: server must be {server}, not "postgresqll://…"',
        'runner.toml:6: inputs must be a file pattern or a list of file patterns, not ["a", 3]',
        'runner.toml:8: unknown key "timeout" in [database] (it belongs to [run])',
        'runner.toml:10: count must be a whole number from 1 to 1024, or "auto", not "many"',
        "runner.toml:12: timeout must be a number of seconds, 0 for no limit, not -1",
        "runner.toml:13: retries must be a whole number from 0 to 100, not true",
        "runner.toml:15: level must be a level from 0 to 5 or its name, such as READ_ONLY, not 9",
        "runner.toml:17: a rule needs a level, a group or exclusive = true to say something about them",
        'runner.toml:21: unknown key "leval" in a rule (did you mean "level"?)',
        "runner.toml:23: a strategy is a table, [strategies.a], not 3",
        'DBSAFE_RUN_TIMEOUT: timeout must be a number of seconds, 0 for no limit, not "soon"',
        'DBSAFE_WORKERS: unknown variable (did you mean "DBSAFE_WORKERS_COUNT"?)',
        """--pytest: pytest has a quote that is not closed: ["-k 'a"]""",
        '--setup-timeout: setup_timeout must be a number of seconds, 0 for no limit, not "x"',
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("host=127.0.0.1 password=sekrit", "host=…"),
        ("password=sekrit host=127.0.0.1", "password=…"),
        ("postgres:/foo:sekrit@h", "postgres:…"),
        ("mysql://root@h/shop?password=sekrit", "mysql://…"),
        ("postgresqll://u:p@sekrit@h", "postgresqll://…"),
        ("//u:sekrit@h/shop", "…"),
        ("embeded", "embeded"),
    ],
)
@pytest.mark.parametrize("key", ["server", "direct"])
def test_what_is_no_url_is_told_without_a_password(
    tmp_path: Path, key: str, value: str, shown: str
) -> None:
    texts = {f"database.{key}": value}
    for error in (
        refusal(tmp_path, options=texts),
        refusal(tmp_path, environment={f"DBSAFE_DATABASE_{key.upper()}": value}),
        refusal(tmp_path, f'[database]\n{key} = "{value}"\n'),
    ):
        assert error.cause.endswith(f'a URL that starts with postgresql://, not "{shown}"')
        assert "sekrit" not in error.cause + error.message + error.hint
        assert "A URL is postgresql://user:password@host:port/database" in error.hint
        (tmp_path / "runner.toml").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('source = "mysql://u:sekrit@h"', 'not "mysql://…"'),
        ('source = ["sekrit/x", "mysql://u:sekrit@h"]', 'not ["…", "mysql://…"]'),
        ('server = { host = "h", password = "sekrit" }', "not a table"),
        ("server = host=h password=sekrit", "server = …"),
        ("source = [\n'postgresql://u:se@krit@h' 3]", "'postgresql://u:*******@h' 3]"),
    ],
)
def test_other_wrong_values_are_told_without_a_password(tmp_path: Path, text: str, cause: str) -> None:
    error = refusal(tmp_path, f"[database]\n{text}\n")
    assert cause in error.cause
    assert "krit" not in error.cause + error.message + error.hint


def test_a_section_or_a_quote_amiss_shows_no_password(tmp_path: Path) -> None:
    error = refusal(tmp_path, 'database = "host=h password=sekrit"')
    assert error.cause == 'runner.toml:1: database must be a table, [database], not "host=…"'
    (tmp_path / "runner.toml").unlink()
    error = refusal(tmp_path, options={"database.source": ["host=h password='sekrit"]})
    assert error.cause == '--source: source has a quote that is not closed: ["host=…"]'


def test_problems_of_a_file_are_told_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = """\
[run]
isolation = "balansed"
[workers]
count = "many"
[[rules]]
level = "SUPER"
[[rules]]
exclusive = "yes"
[[rules]]
group = ""
[[rules]]
fixtur = "db"
"""
    assert refusal(tmp_path, text).cause.split("\n") == [
        'runner.toml:2: unknown strategy "balansed" (did you mean "balanced"?)',
        'runner.toml:4: count must be a whole number from 1 to 1024, or "auto", not "many"',
        "runner.toml:5: a rule needs one of nodeid, mark or fixture to say which tests it is about",
        'runner.toml:6: level must be a level from 0 to 5 or its name, such as READ_ONLY, not "SUPER"',
        "runner.toml:7: a rule needs one of nodeid, mark or fixture to say which tests it is about",
        'runner.toml:8: exclusive must be true or false, not "yes"',
        "runner.toml:9: a rule needs one of nodeid, mark or fixture to say which tests it is about",
        "runner.toml:9: a rule needs a level, a group or exclusive = true to say something about them",
        "runner.toml:11: a rule needs a level, a group or exclusive = true to say something about them",
        'runner.toml:12: unknown key "fixtur" in a rule (did you mean "fixture"?)',
    ]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("run = 3", "runner.toml:1: run must be a table, [run], not 3"),
        ("[run]\noutput = true", "runner.toml:2: output must be a directory, not true"),
        (
            '[run]\noutput = "~nobody-has-it/x"',
            'runner.toml:2: output must be a directory, not "~nobody-has-it/x"',
        ),
        ('[run]\noutput = ""', 'runner.toml:2: output must be a directory, not ""'),
        ("\nrules = 3", "runner.toml:2: rules must be tables, each one under [[rules]]"),
        ("[[strategies]]", "runner.toml:1: strategies must be a table, [strategies], not [{}]"),
        (
            '[run]\nisolation = "balansed"',
            'runner.toml:2: unknown strategy "balansed" (did you mean "balanced"?)',
        ),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(tmp_path: Path, text: str, cause: str) -> None:
    assert refusal(tmp_path, text).cause == cause


def test_a_section_of_the_wrong_shape_beside_a_variable(tmp_path: Path) -> None:
    error = refusal(tmp_path, "run = 3", environment={"DBSAFE_RUN_TIMEOUT": "1"})
    assert error.cause == "runner.toml:1: run must be a table, [run], not 3"


def test_other_variables_of_that_prefix_are_left_alone(tmp_path: Path) -> None:
    load(tmp_path, environment={"DBSAFE_SOCKET": "x", "DBSAFE_GREETING": "y"})


def test_a_strategy_of_ones_own_may_be_named(tmp_path: Path) -> None:
    config = load(tmp_path, '[run]\nisolation = "mine"\n[strategies.mine]\nreset = "each-test"\n')
    assert config.strategies == {"mine": {"reset": "each-test"}}


@pytest.mark.parametrize("level", ["3", '"SHARED_WRITES"'])
def test_a_rule_names_its_level_either_way(tmp_path: Path, level: str) -> None:
    config = load(tmp_path, f'[[rules]]\nnodeid = "tests/*"\nlevel = {level}\n')
    assert config.rules[0].level is Level.SHARED_WRITES


def test_lists_come_from_texts_as_a_shell_would_split_them(tmp_path: Path) -> None:
    environment = {"DBSAFE_DATABASE_INPUTS": "a 'b c'"}
    config = load(tmp_path, environment=environment, options={"run.pytest": ["-p no:x", "-q"]})
    assert config.database.inputs == ("a", "b c")
    assert config.run.pytest == ("-p", "no:x", "-q")


def test_one_source_needs_no_list(tmp_path: Path) -> None:
    config = load(tmp_path, '[database]\nsource = "postgresql://localhost/x"\n')
    assert config.database.source == ("postgresql://localhost/x",)


def test_paths_are_relative_to_the_place_that_names_them(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "runner.toml").write_text('[run]\noutput = "out"\nhistory = "h.db"\n')
    assert load(inner).run.output == tmp_path / "out"
    config = load(inner, environment={"DBSAFE_RUN_OUTPUT": "out"})
    assert config.run.output == inner / "out"
    assert config.run.history == tmp_path / "h.db"


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"[run]\nisolation =\n", "runner.toml:2:12: Invalid value\n  isolation =\n             ^"),
        (b"[run\n", "runner.toml:1:5: Expected ']' at the end of a table declaration\n  [run\n      ^"),
        (b"[run]\nx = '\xff'", "runner.toml:2: byte 0xff is not UTF-8"),
    ],
)
def test_a_file_that_is_not_toml_is_refused_with_the_place(
    tmp_path: Path, text: bytes, cause: str
) -> None:
    (tmp_path / "runner.toml").write_bytes(text)
    error = refusal(tmp_path)
    assert (error.code, error.cause) == ("bad-toml", cause)


def code_of(folder: Path, **more: object) -> str:
    """The code of the refusal, "" when there is none; any other exception is a failure."""
    try:
        load(folder, **more)
    except UserError as error:
        return error.code
    return ""


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@FUZZ
@given(st.dictionaries(st.sampled_from(list(settings_by_name())), json_like, max_size=4))
def test_any_option_value_is_taken_or_refused(tmp_path: Path, options: dict[str, object]) -> None:
    assert code_of(tmp_path, options=options) in {"", "bad-configuration"}


@FUZZ
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_file_is_taken_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "runner.toml").write_bytes(content)
    assert code_of(tmp_path) in {"", "bad-configuration", "bad-toml"}


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GiB", 2 * 1024**3), ("512MB", 512_000_000), ("1.5 GB", 1_500_000_000), ("0", 0)],
)
def test_sizes_have_units(tmp_path: Path, text: str, size: int) -> None:
    assert load(tmp_path, "", options={"run.max_memory": text}).run.max_memory == size


@pytest.mark.parametrize("text", ["63MiB", "much", "-1GB", "2 elephants"])
def test_what_is_no_size_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, "", environment={"DBSAFE_RUN_MAX_MEMORY": text})
    assert "DBSAFE_RUN_MAX_MEMORY: max_memory must be a size of at least 64MiB" in caught.value.cause
    assert f'not "{text}"' in caught.value.cause


def test_an_unknown_strategy_is_told_with_everything_else(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, '[run]\nisolation = "bogus"\n[workers]\ncount = -3\n')
    assert caught.value.cause.count("runner.toml:") == 2
    assert 'unknown strategy "bogus"' in caught.value.cause


def test_a_strategy_that_is_overridden_is_listed_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, '[run]\nisolation = "zzz"\n[strategies.balanced]\nworkers = 2\n')
    assert caught.value.cause.count("balanced") == 1


def test_what_is_wrong_in_a_strategy_is_told_with_the_rest(tmp_path: Path) -> None:
    text = """\
[run]
timeout = "x"
isolation = "mine"
[strategies]
odd = 3
[strategies.mine]
workerz = 3
[verdict]
x = 1
"""
    places = [line.split(" ")[0] for line in refusal(tmp_path, text).cause.split("\n")]
    assert places == ["runner.toml:2:", "runner.toml:5:", "runner.toml:7:", "runner.toml:9:"]
    assert "runner.toml:7: strategies.mine.workerz: there is no such key" in refusal(tmp_path).cause


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("top = 3", 'unknown key "top" outside of all sections'),
        ("timeout = 3", 'unknown key "timeout" outside of all sections (it belongs to [run])'),
        ("[top]", "unknown section [top]"),
        ("[[rulse]]", 'unknown section [rulse] (did you mean "rules"?)'),
    ],
)
def test_a_key_that_no_section_has_is_told_from_a_section(
    tmp_path: Path, line: str, message: str
) -> None:
    assert refusal(tmp_path, line).cause == f"runner.toml:1: {message}"


def test_an_empty_strategy_is_told_once(tmp_path: Path) -> None:
    cause = refusal(tmp_path, environment={"DBSAFE_RUN_ISOLATION": ""}).cause
    assert cause.count("DBSAFE_RUN_ISOLATION") == 1
    assert "unknown strategy" in refusal(tmp_path, environment={"DBSAFE_RUN_ISOLATION": " "}).cause
