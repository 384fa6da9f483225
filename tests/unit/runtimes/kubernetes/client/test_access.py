"""How one gets to a cluster, and what is not allowed on the way."""

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from trueup.model.contracts import Place
from trueup.model.errors import SettingsError
from trueup.model.secret import Secret
from trueup.runtimes.kubernetes.client.access import Access, access_of
from trueup.runtimes.kubernetes.target import Allowed, Specification

AUTHORITY = b"-----BEGIN CERTIFICATE-----"


def place(tmp_path: Path, secrets: dict[str, str] | None = None) -> Place:
    return Place(tmp_path, lambda name: Secret((secrets or {})[name], name))


def kubeconfig(path: Path, user: dict[str, Any], cluster: dict[str, Any] | None = None, name: str = "prod") -> Path:
    content = {
        "clusters": [{"name": name, "cluster": cluster or {"server": "https://example.org:6443/"}}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "shop"}}],
        "current-context": name,
    }
    path.write_bytes(msgspec.json.encode(content))
    return path


def opened(tmp_path: Path, path: Path, context: str = "", **allowed: Any) -> Access:
    return access_of(Specification(context=context), Allowed(kubeconfig=str(path), **allowed), place(tmp_path))


async def test_a_context_gives_server_authority_namespace_and_token(tmp_path: Path) -> None:
    cluster = {"server": "https://example.org:6443/", "certificate-authority-data": base64.b64encode(AUTHORITY).decode()}
    access = opened(tmp_path, kubeconfig(tmp_path / "config", {"token": "hush"}, cluster))
    assert (access.server, access.authority, access.namespace) == ("https://example.org:6443", AUTHORITY, "shop")
    proof = await access.credentials.proof()
    assert proof.token is not None
    assert proof.token.reveal() == "hush"
    assert "hush" not in repr(access)


async def test_files_are_relative_to_the_kubeconfig(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "chain").write_bytes(b"chain")
    (folder / "key").write_bytes(b"key")
    access = opened(tmp_path, kubeconfig(folder / "config", {"client-certificate": "chain", "client-key": "key"}))
    certificate = (await access.credentials.proof()).certificate
    assert certificate is not None
    assert (certificate.chain, certificate.key.reveal()) == (b"chain", "key")


def test_several_kubeconfigs_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [kubeconfig(tmp_path / name, {"token": "x"}, {"server": f"https://{name}"}, name) for name in ("one", "two")]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(map(str, [*paths, tmp_path / "none"])))
    names = [access_of(Specification(context=name), Allowed(), place(tmp_path)).server for name in ("", "two")]
    assert names == ["https://one", "https://two"]


def test_a_context_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="has no context staging") as told:
        opened(tmp_path, kubeconfig(tmp_path / "config", {"token": "x"}), "staging")
    assert "prod" in told.value.hint


def test_a_server_that_would_not_be_verified_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", {"token": "x"}, {"server": "https://x", "insecure-skip-tls-verify": True})
    with pytest.raises(SettingsError, match="would not be verified"):
        opened(tmp_path, path)


async def test_a_program_for_credentials_runs_only_where_the_operator_allows_it(tmp_path: Path) -> None:
    answer = '{"kind":"ExecCredential","status":{"token":"fresh"}}'
    program = tmp_path / "sign-in"
    program.write_text(f"#!/bin/sh\necho ran >> {tmp_path}/ran\necho '{answer}'\n", encoding="utf-8")
    program.chmod(0o755)
    path = kubeconfig(tmp_path / "config", {"exec": {"command": "./sign-in", "apiVersion": "client.authentication.k8s.io/v1"}})
    with pytest.raises(SettingsError, match="is not allowed"):
        opened(tmp_path, path)
    assert not (tmp_path / "ran").exists()
    credentials = opened(tmp_path, path, exec=True).credentials
    for fresh in (False, False, True):
        token = (await credentials.proof(fresh)).token
        assert token is not None
        assert token.reveal() == "fresh"
    assert (tmp_path / "ran").read_text(encoding="utf-8").count("ran") == 2


async def test_a_token_file_is_read_again_when_it_was_not_taken(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old\n", encoding="utf-8")
    credentials = opened(tmp_path, kubeconfig(tmp_path / "config", {"tokenFile": "token"})).credentials
    tokens = [(await credentials.proof()).token]
    (tmp_path / "token").write_text("new\n", encoding="utf-8")
    tokens += [(await credentials.proof()).token, (await credentials.proof(fresh=True)).token]
    assert [token.reveal() for token in tokens if token] == ["old", "old", "new"]


async def test_a_target_may_say_server_and_credentials_by_the_names_of_secrets(tmp_path: Path) -> None:
    specification = Specification.model_validate(
        {"server": "https://example.org/", "certificateAuthority": "pem", "token": {"secret": "cluster"}}
    )
    access = access_of(specification, Allowed(), place(tmp_path, {"cluster": "hush"}))
    token = (await access.credentials.proof()).token
    assert token is not None
    assert (access.server, access.authority, token.reveal()) == ("https://example.org", b"pem", "hush")


def test_a_server_without_credentials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="nothing says who we are"):
        access_of(Specification(server="https://example.org"), Allowed(), place(tmp_path))
