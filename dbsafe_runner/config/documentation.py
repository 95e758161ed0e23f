"""The part of docs/configuration.md that describes the keys.

`python -m dbsafe_runner.config.documentation` prints it.
"""

from __future__ import annotations

import sys

from dbsafe_runner.config.keys import TextForm
from dbsafe_runner.config.reference import as_toml, settings_by_name


def as_markdown() -> str:
    """The sections of docs/configuration.md that describe the keys."""
    lines: list[str] = []
    section = ""
    for setting in settings_by_name().values():
        if setting.section != section:
            section = setting.section
            lines += [f"## [{section}]", ""]
        key = setting.key
        options = f"{key.option} {key.metavar}".strip()
        if key.form is TextForm.SWITCH:
            options = f"{key.option}`, `--no-{key.option.removeprefix('--')}"
        lines += [
            f"### {setting.name}",
            "",
            key.help,
            "",
            f"- Value: {key.expects}",
            f"- Default: `{as_toml(setting.default)}`",
            f"- Option: `{options}`",
            f"- Variable: `{setting.variable}`",
            "",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
