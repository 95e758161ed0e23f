"""Cluster state: what all databases of a server share, as far as a test can change it.

Roles, databases and their settings are rows of catalogs; ALTER SYSTEM and replication slots are not,
and are told by the pulse. New databases and roles can be dropped again; everything else cannot be
undone here.
"""

from __future__ import annotations

from dbsafe_runner.database.catalogs import Catalog, Catalogs
from dbsafe_runner.database.link import LinkError, as_array, load_sql, quote_name
from dbsafe_runner.database.links import Links
from dbsafe_runner.database.observation import Pulse

_SHARED_FILES = load_sql("shared_files")
_NAMES = load_sql("names")
_SESSIONS = "select count(*) from pg_catalog.pg_stat_get_activity(null) where datid = $1::oid"


class ClusterState:
    """The shared state of the server that `links` leads to."""

    def __init__(self, links: Links, catalogs: list[Catalog], pulse: Pulse) -> None:
        self._links = links
        self._catalogs = Catalogs(one for one in catalogs if one.shared)
        #: Files of shared catalogs -> their names.
        self._files = {file or "": name or "" for file, name in links.watch.query(_SHARED_FILES)}
        self._added: list[tuple[str, str]] = []
        self._lost: list[str] = []
        self._pulse = pulse
        self.adopt(pulse)

    def adopt(self, pulse: Pulse) -> None:
        """Make what is there now the baseline."""
        self._catalogs.remember(self._links.watch, pulse.next_xid)
        self._pulse = pulse
        self._added, self._lost = [], []

    def concerns(self, files: list[str]) -> bool:
        """Whether one of these files of the shared database holds more than bookkeeping."""
        return any(self._files.get(file) in self._catalogs.known for file in files)

    def compare(self, next_xid: int) -> list[str]:
        """Compare the shared catalogs with the baseline; return those that moved since the last time."""
        difference = self._catalogs.compare(self._links.watch, next_xid)
        self._added, self._lost = difference.added, difference.lost
        return difference.moved

    def differences(self, pulse: Pulse) -> list[str]:
        """Return what differs from the baseline, in words; of the catalogs, as of the last `compare`."""
        words = [f"{kind} {name} created" for kind, name, _ in self._names()]
        named = {oid for _, _, oid in self._names()}
        words += [f"{name} changed" for name in {name for name, oid in self._added if oid not in named}]
        words += [f"{name} changed" for name in self._lost]
        if pulse.settings_file != self._pulse.settings_file:
            words.append("server settings changed by ALTER SYSTEM")
        slots, before = set(pulse.slots.split()), set(self._pulse.slots.split())
        words += [f"replication slot {slot} created" for slot in sorted(slots - before)]
        words += [f"replication slot {slot} dropped" for slot in sorted(before - slots)]
        return words

    def undo(self, pulse: Pulse) -> str:
        """Drop databases and roles that were added; return "" or why the state is not as it was."""
        if (
            self._lost
            or self._pulse.settings_file != pulse.settings_file
            or self._pulse.slots != pulse.slots
        ):
            return "; ".join(self.differences(pulse))
        try:
            for kind, name, oid in sorted(self._names()):
                if kind == "database":
                    if self._links.watch.query(_SESSIONS, (oid,)) != [("0",)]:
                        return f"database {name} was created and is in use"
                    self._links.forget(name)
                    self._links.watch.query(f"ALTER DATABASE {quote_name(name)} IS_TEMPLATE false")
                self._links.watch.query(f"DROP {kind.upper()} {quote_name(name)}")
        except LinkError as error:
            return f"what was added to the server cannot be dropped: {error}"
        self.compare(pulse.next_xid)
        return "; ".join(self.differences(pulse))

    def _names(self) -> list[tuple[str, str, str]]:
        """Return (kind, name, oid) of databases and roles that were added."""
        oids = [oid for name, oid in self._added if name in {"pg_database", "pg_authid"}]
        if not oids:
            return []
        rows = self._links.watch.query(_NAMES, (as_array(oids),))
        return [(kind or "", name or "", oid or "") for kind, name, oid in rows]
