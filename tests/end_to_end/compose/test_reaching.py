"""An engine is reached by TLS and by ssh, and told when it is not the right one or not there."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.contract.compose_ground import API, ComposeGround
from tests.testbed.docker.engine import Engine
from tests.testbed.docker.ssh import ssh_of
from trueup.model.application import Target, TargetSpec
from trueup.model.contracts import Place, Runtime
from trueup.model.errors import SettingsError, Unreachable
from trueup.model.secret import Secret
from trueup.runtimes.compose import compose
from trueup.testing.ground import OURS
from trueup.testing.walking import done

WEB = {
    "apiVersion": API,
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "p"},
    "spec": {
        "image": "test/sleep:1",
        "network_mode": "none",
        "volumes": [{"type": "bind", "content": "/shop/page", "target": "/page", "read_only": True}],
    },
}


BUILT = {**WEB, "metadata": {"name": "built", "namespace": "p"}, "spec": {"build": {"content": "/shop/app"}, "network_mode": "none"}}


class Ground(ComposeGround):
    """With files in Git."""

    def files(self) -> Mapping[str, bytes]:
        """One page, and a build with another."""
        return {"shop/page": b"hello\n", "shop/app/Dockerfile": b"FROM test/sleep:1\nCOPY page /page\n", "shop/app/page": bytes(200_000)}


async def reached(folder: Path, secret: Callable[[str], Secret], **options: object) -> Runtime:
    """A runtime for a target with these options."""
    target = Target(OURS, "there", TargetSpec(runtime="compose", **options), "trueup.yaml")
    return await compose.open(target, Place(folder, secret, {"engines": ["*"]}))


async def test_by_tls_with_a_certificate(engine: Engine, tmp_path: Path) -> None:
    ComposeGround.engine = engine
    pem = {name: (engine.folder / "tls" / f"{name}.pem").read_text() for name in ("ca", "cert", "key")}
    named = {"clientCertificate": {"secret": "cert"}, "clientKey": {"secret": "key"}}
    desired = Ground(tmp_path / "ground").desired("shop", [WEB, BUILT])
    runtime = await reached(tmp_path, lambda name: Secret(pem[name], name), engine=engine.tls_url, certificateAuthority=pem["ca"], **named)
    try:
        await done(runtime, desired)
        assert engine.docker("exec", "p-web-1", "cat", "/page") == "hello\n"
        assert engine.docker("exec", "p-built-1", "wc", "-c", "/page") == "200000 /page\n"
    finally:
        await runtime.close()
    for wrong in ({"certificateAuthority": pem["ca"]}, named):
        runtime = await reached(tmp_path, lambda name: Secret(pem[name], name), engine=engine.tls_url, **wrong)
        with pytest.raises(Unreachable) as raised:
            await runtime.plan(desired)
        assert raised.value.hint
        await runtime.close()


async def test_by_the_users_own_ssh(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ComposeGround.engine = engine
    desired = Ground(tmp_path / "ground").desired("shop", [WEB, BUILT])
    with ssh_of(engine, tmp_path / "ssh") as ssh:
        monkeypatch.setenv("PATH", f"{ssh.programs}:{os.environ['PATH']}")
        runtime = await reached(tmp_path, _none, engine=ssh.url)
        try:
            await done(runtime, desired)
            assert engine.docker("exec", "p-web-1", "cat", "/page") == "hello\n"
            assert engine.docker("exec", "p-built-1", "wc", "-c", "/page") == "200000 /page\n"
            before = _tunnels()
            assert len(before) == 1
            subprocess.run(["kill", *before], check=True)
            await asyncio.sleep(0.3)
            assert (await runtime.plan(desired)).empty
        finally:
            await runtime.close()
        assert _tunnels() == []
        runtime = await reached(tmp_path, _none, engine="ssh://nobody@127.0.0.1:1")
        with pytest.raises(Unreachable, match="by ssh"):
            await runtime.owned()
        await runtime.close()


async def test_two_engines_go_their_own_ways(engine: Engine, second_engine: Engine, tmp_path: Path) -> None:
    ComposeGround.engine = engine
    desired = Ground(tmp_path / "ground").desired("shop", [WEB, BUILT])
    one, other = [await reached(tmp_path / name, _none, engine=each.url) for name, each in (("a", engine), ("b", second_engine))]
    try:
        await done(one, desired)
        assert (await one.plan(desired)).empty
        assert not (await other.plan(desired)).empty
        engine.kill_engine()
        with pytest.raises(Unreachable):
            await one.plan(desired)
        await done(other, desired)
        assert second_engine.docker("exec", "p-web-1", "cat", "/page") == "hello\n"
        engine.start_engine()
        assert (await one.plan(desired)).empty
    finally:
        await one.close()
        await other.close()


def _tunnels() -> list[str]:
    """The ssh programs that carry a socket of ours."""
    return subprocess.run(["pgrep", "-f", "^[^ ]*ssh .*trueup-ssh-"], capture_output=True, text=True, check=False).stdout.split()


def _none(name: str) -> Secret:
    raise SettingsError(f"no secret is named {name}")
