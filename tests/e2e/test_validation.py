"""Anybody can check our certificates with openssl, over the gateway."""

import asyncio
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.installation import Installation
from tests.e2e.town import found_town

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


def openssl(*arguments: str) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def url(served: Installation) -> str:
    return served.settings.validated_at


@pytest.fixture(scope="module")
def leaves(served: Installation, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Certificates of two POS; the second one is revoked."""
    town = asyncio.run(found_town(served, terminals=2, cards=1))
    serial = town.device(1).serial
    served.json("pki", "revoke", serial, "--reason", "keyCompromise", "--why", "stolen")
    return [folder / "certificate.pem" for folder in town.terminals]


def fetched(url: str, path: str, folder: Path) -> Path:
    found = folder / path.rpartition("/")[2]
    with urllib.request.urlopen(url + path, timeout=10) as answer:
        found.write_bytes(answer.read())
    return found


def eventually(check: str, wanted: str, *arguments: str) -> None:
    """A revocation is in a list or an answer a few seconds after it was stored at the latest."""
    import time

    deadline_s = time.monotonic() + 8
    while wanted not in (said := openssl(check, *arguments)):
        assert time.monotonic() < deadline_s, said
        time.sleep(0.3)


def test_ocsp_says_good_and_revoked(served: Installation, leaves: list[Path], url: str) -> None:
    pki = served.home / "pki"
    common = ("-issuer", str(pki / "issuing.pem"), "-CAfile", str(pki / "root.pem"))
    for leaf, wanted in zip(leaves, ("good", "revoked"), strict=True):
        arguments = ("-url", f"{url}/ocsp", *common, "-cert", str(leaf))
        eventually("ocsp", f"{leaf}: {wanted}", *arguments)
        said = openssl("ocsp", *arguments)
        assert "Response verify OK" in said
        assert "nonce" not in said.lower() or "WARNING: no nonce" not in said
    assert "keyCompromise" in openssl("ocsp", *arguments)
    said = openssl("ocsp", "-url", f"{url}/ocsp", *common, "-serial", "0x1234")
    assert "0x1234: unknown" in said


def test_the_list_is_read_and_used_by_openssl(
    served: Installation, leaves: list[Path], url: str, tmp_path: Path
) -> None:
    pki = served.home / "pki"
    import time

    deadline_s = time.monotonic() + 10
    serial = openssl("x509", "-in", str(leaves[1]), "-noout", "-serial").strip().partition("=")[2]
    while True:
        crl = fetched(url, "/crl/issuing.crl", tmp_path)
        text = openssl("crl", "-in", str(crl), "-inform", "DER", "-noout", "-text")
        if serial.lower() in text.lower():
            break
        assert time.monotonic() < deadline_s, text
        time.sleep(0.5)
    assert "Key Compromise" in text
    verified = openssl("crl", "-in", str(crl), "-inform", "DER", "-noout",
                       "-CAfile", str(pki / "issuing.pem"))  # fmt: skip
    assert "verify OK" in verified
    pem = tmp_path / "crl.pem"
    openssl("crl", "-in", str(crl), "-inform", "DER", "-out", str(pem))
    verify = ("-crl_check", "-CRLfile", str(pem), "-CAfile", str(pki / "root.pem"),
              "-untrusted", str(pki / "issuing.pem"))  # fmt: skip
    assert f"{leaves[0]}: OK" in openssl("verify", *verify, str(leaves[0]))
    assert "certificate revoked" in openssl("verify", *verify, str(leaves[1]))


def test_a_certificate_says_where_it_is_checked(leaves: list[Path], url: str) -> None:
    text = openssl("x509", "-in", str(leaves[0]), "-noout", "-text")
    for path in ("/ocsp", "/crl/issuing.crl", "/ca/issuing.cer"):
        assert url + path in text


def test_the_authorities_are_there(served: Installation, url: str, tmp_path: Path) -> None:
    for name in ("root", "issuing"):
        got = fetched(url, f"/ca/{name}.cer", tmp_path)
        theirs = openssl("x509", "-in", str(got), "-inform", "DER", "-noout", "-fingerprint")
        ours = openssl("x509", "-in", str(served.home / "pki" / f"{name}.pem"),
                       "-noout", "-fingerprint")  # fmt: skip
        assert theirs == ours


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/crl/../../etc/passwd", None, 404),
        ("DELETE", "/crl/issuing.crl", None, 405),
        ("POST", "/ocsp", b"", 413),
        ("POST", "/ocsp", b"x" * 3000, 413),
        ("GET", "/ocsp/%%%", None, 400),
        ("GET", "/ocsp/" + "A" * 3000, None, 400),
    ],
)
def test_nonsense_is_refused_with_a_word(
    url: str, method: str, path: str, body: bytes | None, status: int
) -> None:
    request = urllib.request.Request(url + path, data=body, method=method)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == status
    assert refused.value.read().strip()


def test_a_request_that_is_no_ocsp_gets_an_ocsp_error(url: str, tmp_path: Path) -> None:
    request = urllib.request.Request(f"{url}/ocsp", data=b"garbage", method="POST")
    answer = tmp_path / "answer"
    with urllib.request.urlopen(request, timeout=10) as got:
        answer.write_bytes(got.read())
    assert "malformedrequest" in openssl("ocsp", "-respin", str(answer), "-text").lower()
