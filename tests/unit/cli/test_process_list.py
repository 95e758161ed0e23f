from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from pathlib import Path
from dbsafe_runner.cli.process_list import blank_passwords
blank_passwords(sys.argv[1:])
print(Path("/proc/self/cmdline").read_bytes().split(b"\\0")[-2].decode())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere arguments cannot be overwritten")
@pytest.mark.parametrize(
    ("url", "left"),
    [
        ("postgresql://app:h%40rd@db/shop", "postgresql://app:******@db/shop"),
        (
            "postgresql://app@db/shop?password=h%40rd&sslmode=require",
            "postgresql://app@db/shop?password=******&sslmode=require",
        ),
        ("postgresql://db/shop?sslpassword=key", "postgresql://db/shop?sslpassword=***"),
        ("postgresql://app@db/shop", "postgresql://app@db/shop"),
        ("postgresql://app:h#r?@d@db/shop", "postgresql://app:******@db/shop"),
    ],
)
def test_passwords_of_arguments_are_blanked(url: str, left: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == left
