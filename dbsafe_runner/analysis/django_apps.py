"""Django's apps: what the project's own do after each migration, which each flush repeats."""

from __future__ import annotations

import ast
import functools
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import calling, classes, lookup
from dbsafe_runner.analysis.fixture_results import guarded
from dbsafe_runner.analysis.values import Class, Function, Instance, Seq, Value, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.actions import Action
    from dbsafe_runner.analysis.machine import Machine
    from dbsafe_runner.analysis.modules import ModuleSpace


class DjangoApps:
    """The apps that the settings install; those of libraries are not followed."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._after_migration: list[Action] | None = None

    @property
    def settings(self) -> str | None:
        """The file of the settings module, or None when it is unknown or not of the project."""
        sources = self._machine.sources
        dotted = sources.project.django_settings
        return sources.lookup(dotted, sources.absolute("settings.py")) if dotted else None

    def after_migration(self) -> list[Action]:
        """Return what the receivers of `post_migrate` do that the apps connect when they are ready."""
        if self._after_migration is None:
            self._after_migration = []
            machine, space = self._machine, self._space(self.settings)
            if space is not None:
                guarded(machine, lambda: self._get_ready(space))
                for receiver in machine.after_migration:
                    work = functools.partial(self._call, receiver, space)
                    self._after_migration.extend(guarded(machine, work))
        return self._after_migration

    def _space(self, path: str | None) -> ModuleSpace | None:
        return self._machine.modules.space(path) if path is not None else None

    def _get_ready(self, settings: ModuleSpace) -> None:
        installed = lookup.global_name(self._machine, settings, "INSTALLED_APPS")
        for app in installed.items if isinstance(installed, Seq) else ():
            dotted = text_of(app)
            for config in self._configs(dotted, settings) if dotted else ():
                ready = classes.member(self._machine, config, "ready")
                if isinstance(ready, Function):
                    self._machine.call_bound(ready, Instance(config), ready.node)

    def _configs(self, dotted: str, settings: ModuleSpace) -> list[Class]:
        """Return the configurations that an entry names: a class, or those in the package's `apps`."""
        machine = self._machine
        module, _, name = dotted.rpartition(".")
        path = machine.sources.resolve(f"{dotted}.apps", settings.path)
        space = self._space(path or (machine.sources.resolve(module, settings.path) if module else None))
        if space is None:
            return []
        names = [node.name for node in space.tree.body if isinstance(node, ast.ClassDef)]
        names = names if path is not None else [name]
        found = [machine.modules.name(space, one) for one in names]
        return [one for one in found if isinstance(one, Class)]

    def _call(self, receiver: Value, settings: ModuleSpace) -> None:
        machine = self._machine
        machine.call(receiver, calling.Call(machine, [], {}, settings.tree, settings.env))
