"""Makes the certificates of a cluster: one authority, and whom it vouches for."""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = datetime.timedelta(days=30)


@dataclass(frozen=True)
class Identity:
    """A certificate and its key, each as PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """Issues certificates that live for a month."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate

    @classmethod
    def new(cls) -> "Authority":
        """An authority that nobody trusts yet."""
        key = new_key()
        name = _name("trueup-testbed")
        rights = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _begun(name, name, key).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(key, builder.add_extension(rights, critical=True).sign(key, hashes.SHA256()))

    @classmethod
    def kept(cls, identity: Identity) -> "Authority":
        """The authority that was kept in files."""
        key = serialization.load_pem_private_key(identity.key, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return cls(key, x509.load_pem_x509_certificate(identity.certificate))

    @property
    def certificate(self) -> bytes:
        """The authority's own certificate, as PEM: what others trust."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def identity(self) -> Identity:
        """The authority itself, so that it can be kept in files."""
        return Identity(self.certificate, private_pem(self._key))

    def server(self, *hosts: str) -> Identity:
        """Whoever answers at these names and addresses."""
        names = x509.SubjectAlternativeName([_host(host) for host in hosts])
        return self._issue(_name(hosts[0]), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def user(self, name: str, *groups: str) -> Identity:
        """A user of the API server: the common name is the user's, organizations are the groups."""
        return self._issue(_name(name, *groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(self, name: x509.Name, usage: x509.ObjectIdentifier, *extensions: x509.ExtensionType) -> Identity:
        key = new_key()
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = _begun(self._certificate.subject, name, key)
        for extension in (x509.ExtendedKeyUsage([usage]), issuer, *extensions):
            builder = builder.add_extension(extension, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(certificate.public_bytes(serialization.Encoding.PEM), private_pem(key))


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key that takes no time to make."""
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key as unencrypted PEM."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def _name(common: str, *organizations: str) -> x509.Name:
    units = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations]
    return x509.Name([*units, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _begun(issuer: x509.Name, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - LIFE).not_valid_after(now + LIFE)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
