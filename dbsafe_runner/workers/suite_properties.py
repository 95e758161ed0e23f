"""Properties of the whole suite, which tests record for the file that `--junitxml` names.

The zygote writes that file, from reports. These properties are in none: a worker sends each one when it
is recorded. What a session fixture records comes from every worker that built it, and is entered once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from _pytest.junitxml import xml_key


def send_from(config: pytest.Config, send: Callable[..., None]) -> None:
    """Have what a worker's tests record sent, too, as fields of a `property` message."""
    xml = config.stash.get(xml_key, None)
    if xml is None:
        return
    usual = xml.add_global_property

    def add_global_property(name: str, value: object) -> None:
        __tracebackhide__ = True
        usual(name, value)
        recorded, text = xml.global_properties[-1]
        send("property", name=recorded, value=text)

    xml.add_global_property = add_global_property  # type: ignore[method-assign]


def enter(config: pytest.Config, fields: Mapping[str, Any]) -> None:
    """Enter a property that a worker has sent, unless it is there already."""
    xml = config.stash.get(xml_key, None)
    recorded = (fields["name"], fields["value"])
    if xml is not None and recorded not in xml.global_properties:
        xml.global_properties.append(recorded)
