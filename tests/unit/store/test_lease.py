"""Who is dead, and who may only be slow."""

import subprocess

import msgspec

from trueup.model.memory import Lease
from trueup.store.lease import dead, owner_of, owner_text, started, this_process


def test_a_process_knows_itself() -> None:
    me = this_process()
    assert me == this_process()
    assert me.boot
    assert me.started > 0
    assert not dead(me, me)


def test_a_process_is_dead_once_it_ended_even_if_nobody_waited_for_it() -> None:
    me = this_process()
    with subprocess.Popen(["sleep", "60"]) as process:
        owner = Lease(me.host, me.boot, process.pid, started(process.pid) or 0)
        assert owner.started >= me.started
        assert not dead(owner, me)
        process.kill()
        with open(f"/proc/{process.pid}/stat") as status:  # noqa: PTH123
            while " Z " not in status.read():
                status.seek(0)
        assert dead(owner, me)
    assert dead(owner, me)


def test_nothing_is_concluded_about_another_host() -> None:
    me = this_process()
    assert not dead(msgspec.structs.replace(me, host="elsewhere", boot="another"), me)
    assert dead(msgspec.structs.replace(me, boot="another"), me)
    assert dead(msgspec.structs.replace(me, started=me.started + 1), me)


def test_an_owner_survives_being_written() -> None:
    strange = Lease("a|host (x) y", "boot", 1, 2)
    assert owner_of(owner_text(strange)) == strange
