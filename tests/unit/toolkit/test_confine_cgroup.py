"""Control groups: where one may be made, and what is asked of it. The folders are laid out as the kernel lays them out."""

from pathlib import Path

import pytest

from trueup.toolkit import confine_cgroup


@pytest.fixture
def hierarchy(tmp_path: Path) -> Path:
    """What the kernel tells a service that systemd started in a group of its own below a delegated one."""
    root, processes = tmp_path / "cgroup", tmp_path / "proc"
    (root / "system/trueup.service/main").mkdir(parents=True)
    processes.mkdir()
    (processes / "cgroup").write_text("0::/system/trueup.service/main\n")
    (processes / "mountinfo").write_text(f"30 23 0:26 / {root} rw,nosuid - cgroup2 cgroup2 rw\n")
    for folder, handed_on in (("system", "cpu memory pids"), ("system/trueup.service", "memory pids"), ("system/trueup.service/main", "")):
        (root / folder / "cgroup.subtree_control").write_text(f"{handed_on}\n")
        (root / folder / "cgroup.procs").write_text("")
    return tmp_path


def test_a_group_stands_beside_ours_when_ours_hands_nothing_on(hierarchy: Path) -> None:
    assert confine_cgroup.parent(hierarchy / "proc") == hierarchy / "cgroup/system/trueup.service"


def test_a_group_without_the_memory_controller_is_none(hierarchy: Path) -> None:
    (hierarchy / "cgroup/system/trueup.service/cgroup.subtree_control").write_text("pids\n")
    assert confine_cgroup.parent(hierarchy / "proc") is None


def test_nothing_above_what_was_delegated_is_used(hierarchy: Path) -> None:
    (hierarchy / "proc/cgroup").write_text("0::/\n")
    assert confine_cgroup.parent(hierarchy / "proc") is None


def test_a_machine_without_control_groups_has_none(tmp_path: Path) -> None:
    assert confine_cgroup.parent(tmp_path) is None


def test_a_group_has_its_limits_while_it_lasts(tmp_path: Path) -> None:
    with confine_cgroup.group(tmp_path, 1024, 5) as made:
        assert {file.name: file.read_text() for file in made.iterdir()} == {
            "memory.max": "1024",
            "memory.swap.max": "0",
            "memory.oom.group": "1",
            "pids.max": "5",
        }
        # The kernel's own files go with the folder; these do not.
        for file in made.iterdir():
            file.unlink()
