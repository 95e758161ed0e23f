from __future__ import annotations

from pathlib import Path

from dbsafe_runner.config import load_config
from dbsafe_runner.config.documentation import as_markdown
from dbsafe_runner.config.reference import as_toml, settings_by_name

ROOT = Path(__file__).parents[3]


def test_the_page_describes_every_key_as_it_is() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    start = text.index("-->\n") + 4
    current = text[start : text.index("<!-- end of keys -->")]
    assert current.strip() == as_markdown().strip(), (
        "docs/configuration.md is out of date: python -m dbsafe_runner.config.documentation"
    )


def test_the_projects_own_file_is_valid_and_names_every_key() -> None:
    text = (ROOT / "runner.toml").read_text()
    load_config(ROOT, environment={}, file=ROOT / "runner.toml")
    for setting in settings_by_name().values():
        assert f"\n{setting.name} =" in text or f"\n# {setting.name} =" in text, setting.name


def test_names_are_unique() -> None:
    settings = settings_by_name().values()
    options = [option for setting in settings for option in (setting.key.option, *setting.key.also)]
    assert len(options) == len(set(options))
    assert len({setting.variable for setting in settings}) == len(settings)


def test_defaults_are_shown_as_toml() -> None:
    defaults = {name: as_toml(setting.default) for name, setting in settings_by_name().items()}
    assert defaults["database.guard"] == "true"
    assert defaults["database.setup_timeout"] == "300"
    assert defaults["run.output"] == '".dbsafe/results"'
