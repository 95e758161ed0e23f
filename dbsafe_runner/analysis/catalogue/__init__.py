"""The catalogue: what is known of libraries outside the project, by the names that programs use.

The machine asks here whenever it meets something that is not of the project. What a library's methods
do is data (`tables`); how each effect is recorded is in one file per family of libraries.
"""

from dbsafe_runner.analysis.catalogue.functions import (
    annotated,
    call_external,
    call_on_function,
    call_on_unknown,
    call_unknown,
    constant,
    expect_status,
    instance,
    knows,
)
from dbsafe_runner.analysis.catalogue.inheritance import (
    call_inherited,
    class_attribute,
    class_member,
    construct,
    default_table,
    instance_attribute,
    instance_member,
    schema_of,
)
from dbsafe_runner.analysis.catalogue.objects import (
    attribute,
    awaited,
    call_method,
    call_object,
    decorate,
    element,
    enter,
    enter_unknown,
    leave,
    set_attribute,
    set_item,
    subscript,
)

__all__ = [
    "annotated",
    "attribute",
    "awaited",
    "call_external",
    "call_inherited",
    "call_method",
    "call_object",
    "call_on_function",
    "call_on_unknown",
    "call_unknown",
    "class_attribute",
    "class_member",
    "constant",
    "construct",
    "decorate",
    "default_table",
    "element",
    "enter",
    "enter_unknown",
    "expect_status",
    "instance",
    "instance_attribute",
    "instance_member",
    "knows",
    "leave",
    "schema_of",
    "set_attribute",
    "set_item",
    "subscript",
]
