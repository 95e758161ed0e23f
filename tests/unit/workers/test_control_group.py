from __future__ import annotations

from pathlib import Path

from dbsafe_runner.workers.control_group import UNLIMITED, ControlGroup


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_version_2(tmp_path: Path) -> None:
    write(
        tmp_path / "system" / "ci.scope",
        memory__max="1000\n",
        memory__current="700\n",
        memory__stat="anon 500\ninactive_file 150\nactive_file 50\n",
    )
    group = ControlGroup("0::/system/ci.scope\n", tmp_path)
    assert group.limit() == 1000
    assert group.left() == 450


def test_inside_a_container_the_root_is_its_own_group(tmp_path: Path) -> None:
    write(tmp_path, memory__max="1000\n", memory__current="1200\n")
    group = ControlGroup("0::/somewhere/on/the/host\n", tmp_path)
    assert group.limit() == 1000
    assert group.left() == 0


def test_version_1(tmp_path: Path) -> None:
    write(
        tmp_path / "memory" / "docker",
        memory__limit_in_bytes="1000\n",
        memory__usage_in_bytes="300\n",
        memory__stat="cache 5\ntotal_inactive_file 100\n",
    )
    group = ControlGroup("9:memory:/docker\n4:cpu,cpuacct:/docker\n", tmp_path)
    assert group.limit() == 1000
    assert group.left() == 800


def test_without_a_limit_there_is_more_than_any_machine_has(tmp_path: Path) -> None:
    assert ControlGroup("", tmp_path).left() == UNLIMITED
    write(tmp_path, memory__max="max\n", memory__current="5\n")
    assert ControlGroup("0::/\n", tmp_path).limit() == UNLIMITED
    old = tmp_path / "old"
    write(old / "memory", memory__limit_in_bytes="9223372036854771712\n", memory__usage_in_bytes="5\n")
    assert ControlGroup("9:memory:/\n", old).left() == UNLIMITED
