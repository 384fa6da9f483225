"""A commit's signature and the keys that the operator trusts become a yes or no.

SSH signatures (the format is OpenSSH's PROTOCOL.sshsig) are verified in this process. A signature by a key that is not listed, for
another purpose than Git, or over other content counts as none.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from trueup.model.errors import SettingsError

_MAGIC = b"SSHSIG"
_NAMESPACE = b"git"
_BEGIN, _END = b"-----BEGIN SSH SIGNATURE-----", b"-----END SSH SIGNATURE-----"
_DIGESTS = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA_HASHES: dict[bytes, hashes.HashAlgorithm] = {b"rsa-sha2-256": hashes.SHA256(), b"rsa-sha2-512": hashes.SHA512()}
_CURVE_HASHES: dict[str, hashes.HashAlgorithm] = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
_SMALLEST_RSA = 2048

PublicKey = Ed25519PublicKey | RSAPublicKey | EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Signature:
    """The parts of an SSH signature."""

    key: bytes
    namespace: bytes
    digest: bytes
    algorithm: bytes
    value: bytes


def trusted_keys(lines: Sequence[str]) -> dict[bytes, PublicKey]:
    """OpenSSH public keys (``ssh-ed25519 AAAA.. comment``), by what a signature says of its key.

    Raises SettingsError for anything else, OpenPGP keys among it.
    """
    return dict(_trusted(line) for line in lines)


def verifies(armored: bytes | None, payload: bytes | None, keys: dict[bytes, PublicKey]) -> bool:
    """Whether this is a signature by one of the keys, for Git, over this payload."""
    if not armored or payload is None:
        return False
    try:
        signature = _parsed(armored)
    except (ValueError, binascii.Error):
        return False
    key = keys.get(signature.key)
    digest = _DIGESTS.get(signature.digest)
    if key is None or digest is None or signature.namespace != _NAMESPACE:
        return False
    signed = _MAGIC + b"".join(_string(part) for part in (_NAMESPACE, b"", signature.digest, digest(payload).digest()))
    try:
        _verify(key, signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _trusted(line: str) -> tuple[bytes, PublicKey]:
    hint = "write it as `ssh-keygen -y` prints it: ssh-ed25519, ecdsa or ssh-rsa, and the key"
    if line.startswith("sk-"):
        raise SettingsError("signing keys on a hardware token (sk-) are not supported yet", where=line[:40], hint=hint)
    if "PGP" in line or not line.startswith(("ssh-", "ecdsa-")):
        message = "a signing key is not an SSH public key; OpenPGP (gpg) keys are not supported yet"
        raise SettingsError(message, where=line[:40], hint=hint)
    try:
        key = load_ssh_public_key(line.encode())
        blob = base64.b64decode(line.split()[1], validate=True)
    except (ValueError, IndexError, UnsupportedAlgorithm) as error:
        raise SettingsError("a signing key cannot be read", where=line[:40], hint=hint) from error
    if not isinstance(key, PublicKey) or (isinstance(key, RSAPublicKey) and key.key_size < _SMALLEST_RSA):
        message = f"a signing key is of a kind that is not accepted (DSA, or RSA below {_SMALLEST_RSA} bits)"
        raise SettingsError(message, where=line[:40], hint=hint)
    return blob, key


def _verify(key: PublicKey, signature: Signature, signed: bytes) -> None:
    if isinstance(key, Ed25519PublicKey):
        _expect(signature.algorithm == b"ssh-ed25519")
        return key.verify(signature.value, signed)
    if isinstance(key, RSAPublicKey):
        _expect(signature.algorithm in _RSA_HASHES)
        return key.verify(signature.value, signed, padding.PKCS1v15(), _RSA_HASHES[signature.algorithm])
    _expect(signature.algorithm.startswith(b"ecdsa-sha2-"))
    first, rest = _take(signature.value)
    second, _ = _take(rest)
    value = encode_dss_signature(int.from_bytes(first, "big"), int.from_bytes(second, "big"))
    return key.verify(value, signed, ECDSA(_CURVE_HASHES[key.curve.name]))


def _parsed(armored: bytes) -> Signature:
    text = armored.strip()
    _expect(text.startswith(_BEGIN) and text.endswith(_END))
    body = base64.b64decode(b"".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    _expect(body[:6] == _MAGIC and body[6:10] == b"\0\0\0\1")
    key, rest = _take(body[10:])
    namespace, rest = _take(rest)
    _, rest = _take(rest)
    digest, rest = _take(rest)
    blob, rest = _take(rest)
    algorithm, blob = _take(blob)
    value, _ = _take(blob)
    return Signature(key, namespace, digest, algorithm, value)


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The string at the beginning, with its length before it, and what follows."""
    length = int.from_bytes(data[:4], "big")
    _expect(len(data) >= 4 + length)
    return data[4 : 4 + length], data[4 + length :]


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _expect(true: bool) -> None:
    if not true:
        raise ValueError("not an SSH signature")
