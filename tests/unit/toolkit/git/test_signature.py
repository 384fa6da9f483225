import subprocess
from pathlib import Path

import pytest

from tests.testbed.repositories import Workplace
from trueup.model.errors import SettingsError
from trueup.toolkit.git.mirror import Mirror

KINDS = {"ed25519": ["-t", "ed25519"], "rsa": ["-t", "rsa", "-b", "2048"], "ecdsa": ["-t", "ecdsa", "-b", "384"]}


def key_pair(folder: Path, *options: str) -> tuple[Path, str]:
    """Private key file and public key."""
    file = folder / f"key{len(list(folder.glob('key*')))}"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(file), *(options or ("-t", "ed25519"))], check=True)
    return file, file.with_name(file.name + ".pub").read_text()


def sign(workplace: Workplace, key: Path) -> str:
    workplace.write({"a": key.name})
    workplace.git("add", "--all")
    workplace.git("-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "commit", "-q", "-S", "-m", "signed\n\nbody")
    workplace.push("origin", "main")
    return workplace.head()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signature_by_a_trusted_key_is_good(workplace: Workplace, mirror: Mirror, tmp_path: Path, kind: str) -> None:
    key, public = key_pair(tmp_path, *KINDS[kind])
    _, other = key_pair(tmp_path)
    commit = sign(workplace, key)
    await mirror.head()
    assert mirror.signed_by(commit, [other, public])
    assert not mirror.signed_by(commit, [other])
    assert not mirror.signed_by(commit, [])


async def test_no_signature_is_not_a_good_one(workplace: Workplace, mirror: Mirror, tmp_path: Path) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head()
    assert not mirror.signed_by(commit, [key_pair(tmp_path)[1]])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_signature_that_was_moved_to_other_content_is_refused(
    workplace: Workplace, mirror: Mirror, tmp_path: Path, kind: str
) -> None:
    key, public = key_pair(tmp_path, *KINDS[kind])
    commit = sign(workplace, key)
    forged = workplace.git("cat-file", "commit", commit).replace("signed\n", "forged\n")
    (workplace.clone / "forged").write_text(forged + "\n")
    forgery = workplace.git("hash-object", "-t", "commit", "-w", "forged")
    workplace.push("--force", "origin", f"{forgery}:main")
    await mirror.head()
    assert not mirror.signed_by(forgery, [public])


async def test_a_signature_for_another_purpose_is_refused(workplace: Workplace, mirror: Mirror, tmp_path: Path) -> None:
    key, public = key_pair(tmp_path)
    commit = workplace.commit({"a": "1"})
    payload = workplace.git("cat-file", "commit", commit) + "\n"
    for purpose, good in (("git", True), ("file", False)):
        signing = ["ssh-keygen", "-q", "-Y", "sign", "-n", purpose, "-f", str(key)]
        signature = subprocess.run(signing, input=payload, text=True, capture_output=True, check=True).stdout
        head, _, message = payload.partition("\n\n")
        header = "gpgsig " + signature.strip().replace("\n", "\n ")
        (workplace.clone / "made").write_text(f"{head}\n{header}\n\n{message}")
        made = workplace.git("hash-object", "-t", "commit", "-w", "made")
        workplace.push("--force", "origin", f"{made}:main")
        await mirror.head()
        assert mirror.signed_by(made, [public]) is good


@pytest.mark.parametrize(
    "signature", ["nonsense", "-----BEGIN SSH SIGNATURE-----\n AAAA\n -----END SSH SIGNATURE-----", "-----BEGIN PGP SIGNATURE-----\n x"]
)
async def test_a_broken_signature_is_none(workplace: Workplace, mirror: Mirror, tmp_path: Path, signature: str) -> None:
    head, _, message = workplace.git("cat-file", "commit", workplace.commit({"a": "1"})).partition("\n\n")
    (workplace.clone / "made").write_text(f"{head}\ngpgsig {signature}\n\n{message}\n")
    made = workplace.git("hash-object", "-t", "commit", "-w", "--literally", "made")
    workplace.push("--force", "origin", f"{made}:main")
    await mirror.head()
    assert not mirror.signed_by(made, [key_pair(tmp_path)[1]])


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PGP PUBLIC KEY BLOCK-----",
        "ABCD1234",
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "sk-ssh-ed25519@openssh.com AAAA",
        "ssh-dss AAAA",
    ],
)
async def test_a_key_that_cannot_be_used_is_told(workplace: Workplace, mirror: Mirror, key: str) -> None:
    commit = workplace.commit({"a": "1"})
    await mirror.head()
    with pytest.raises(SettingsError, match="signing key") as caught:
        mirror.signed_by(commit, [key])
    assert "ssh-keygen" in caught.value.hint
