"""One fuzz target for everything that comes from outside. An exception that is not expected ends it."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dbsafe_runner"]):
    from dbsafe_runner.config import load_config
    from dbsafe_runner.database.user_server import check_allowed
    from dbsafe_runner.errors import UserError
    from dbsafe_runner.session.source_urls import parse_source
    from dbsafe_runner.workers.protocol import Decoder, ProtocolError, encode
    from dbsafe_runner.workers.redirect import Target

_FOLDER = Path(tempfile.mkdtemp(prefix="dbsafe-fuzz-"))
_SEEDS = (
    b'\0[database]\nsource = "postgresql://a@b/c"\n[[rules]]\nnodeid = "x"\nlevel = 3\n',
    b"\1postgresql+psycopg://u:p@h:1,[::1]:2/d?sslmode=require&options=-c%20a%3Db",
    b"\1host=a port=1 dbname='x y'",
    b"\2" + encode("ok", {"test": 1, "connections": 0, "seconds": [0.1], "started": 0.0}, b"blob"),
)


def read_settings(data: bytes) -> None:
    file = _FOLDER / "runner.toml"
    file.write_bytes(data)
    load_config(_FOLDER, environment={}, file=file)


def read_url(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    for read in (parse_source, Target.parse, lambda url: check_allowed(url, ("*prod*",))):
        try:
            read(text)
        except (UserError, ValueError):
            continue


def read_messages(data: bytes) -> None:
    decoder = Decoder()
    for start in range(0, len(data), 5):
        for message in decoder.feed(data[start : start + 5]):
            encode(message.kind, message.fields, message.blob)


_TARGETS = (read_settings, read_url, read_messages)


def one(data: bytes) -> None:
    """What the fuzzer calls: the first byte chooses the target."""
    if not data:
        return
    try:
        _TARGETS[data[0] % len(_TARGETS)](data[1:])
    except (UserError, ProtocolError):
        return


def main() -> None:
    corpus = _FOLDER / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(_SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={sys.argv[1]}", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *options], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
