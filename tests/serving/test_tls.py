"""TLS by certificate files: checked before anything starts, then the only way to ask."""

import datetime
import ipaddress

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.core.errors import UsageError
from serving.process import start, stop
from tests.serving.conftest import free_port


def written(folder, name):
    """A certificate that signs itself, for this machine, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    local = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([local]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / f"{name}.cert.pem", folder / f"{name}.key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    files[1].write_bytes(pem)
    return files


@pytest.fixture
def bento_like(tmp_path):
    (tmp_path / "bento.yaml").write_text("")
    return tmp_path


def test_a_key_of_another_certificate_is_refused_before_anything_starts(bento_like):
    certificate, _ = written(bento_like, "a")
    _, key = written(bento_like, "b")
    options = {"host": "127.0.0.1", "port": free_port(), "version": 1, "log": bento_like / "log"}
    with pytest.raises(UsageError, match=r"--cert .*a\.cert\.pem, --key .*b\.key\.pem: .*wanted"):
        start(bento_like, tls=(certificate, key), **options)
    with pytest.raises(UsageError, match="No such file"):
        start(bento_like, tls=(certificate, bento_like / "none"), **options)
    assert not (bento_like / "log").exists()


@pytest.mark.slow
def test_an_endpoint_with_a_certificate_answers_with_tls_alone(bento, tmp_path):
    import ssl

    files = written(tmp_path, "a")
    endpoint = start(
        bento, host="127.0.0.1", port=free_port(), version=1, log=tmp_path / "log", tls=files
    )
    try:
        trusted = ssl.create_default_context(cafile=files[0])
        found = httpx.get(f"{endpoint.url}/v1/model", verify=trusted, trust_env=False)
        assert found.status_code == 200
        assert "Strict-Transport-Security" in found.headers
        assert "Server" not in found.headers
        with pytest.raises(httpx.HTTPError):
            httpx.get(endpoint.url.replace("https", "http"), trust_env=False)
    finally:
        stop(endpoint)
