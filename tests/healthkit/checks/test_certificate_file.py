"""Certificates in files: read without a library, judged by the days that are left."""

from __future__ import annotations

import contextlib
import re
import ssl
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from healthkit.checks.certificate_file import CertificateFile
from healthkit.checks.certificates import DAY, NoCertificateError, Validity, validity
from healthkit.errors import ConfigurationError, Fail
from healthkit.status import Status
from tests.recording import CERTIFICATE

EXPIRED = Path(__file__).with_name("expired.pem")  # self-signed for localhost, valid through 2020
BLOCK = re.findall(r"-----BEGIN C.+?-----END CERTIFICATE-----", EXPIRED.read_text(), re.DOTALL)[0]
DER = ssl.PEM_cert_to_DER_cert(BLOCK)
ENDS = 1_609_459_200.0  # 2021-01-01


def checked(days_left: float) -> CertificateFile:
    return CertificateFile(EXPIRED, clock=lambda: ENDS - days_left * DAY)


def test_every_authority_is_read_as_openssl_reads_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certifi.where())
    expected = {
        (
            ssl.cert_time_to_seconds(str(one["notBefore"])),
            ssl.cert_time_to_seconds(str(one["notAfter"])),
        )
        for one in context.get_ca_certs()
    }
    found = [validity(der) for der in context.get_ca_certs(binary_form=True)]

    assert len(found) > 100
    assert {(one.begins, one.ends) for one in found} == expected


@pytest.mark.parametrize(
    ("days", "status", "told"),
    [
        (22, Status.PASS, ""),
        (20, Status.WARN, "expires in 20 d, on 2021-01-01 00:00 UTC"),
        (6.5, Status.FAIL, "expires in 6 d 12 h, on 2021-01-01 00:00 UTC"),
        (-3, Status.FAIL, "expired 3 d ago, on 2021-01-01 00:00 UTC"),
        (400, Status.FAIL, "not valid yet: begins in 34 d"),
    ],
)
def test_the_days_that_are_left_are_judged(days: float, status: Status, told: str) -> None:
    said = checked(days)()

    assert (said.status, said.output, said.value, said.unit) == (status, told, days, "d")
    assert said.details["expires"] == "2021-01-01T00:00:00+00:00"


def test_the_first_of_several_to_expire_counts(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text(CERTIFICATE.read_text() + EXPIRED.read_text())

    said = CertificateFile(chain)()

    assert (said.status, said.details["certificates"]) == (Status.FAIL, 2)
    assert said.output.startswith("expired ")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "holds no certificate in PEM form"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "holds a certificate that cannot"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "holds a certificate that cannot"),
        ("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n", "holds no certificate"),
    ],
)
def test_a_file_without_a_certificate_fails_and_shows_nothing_of_it(
    content: str, told: str, tmp_path: Path
) -> None:
    path = tmp_path / "server.pem"
    path.write_text(content)

    with pytest.raises(Fail) as caught:
        CertificateFile(path)()

    assert told in caught.value.reason
    assert "c2VjcmV0" not in repr(caught.value)


def test_a_file_that_is_not_there_fails_by_name(tmp_path: Path) -> None:
    with pytest.raises(Fail, match=r"gone\.pem: No such file or directory"):
        CertificateFile(tmp_path / "gone.pem")()


def test_every_cut_of_a_certificate_is_refused_in_order() -> None:
    for length in range(len(DER)):
        with pytest.raises(NoCertificateError):
            validity(DER[:length])


def test_names_and_notice() -> None:
    assert CertificateFile("/etc/ssl/shop.example.pem").name == "certificate-shop.example.pem"
    with pytest.raises(ConfigurationError, match="warn='1d' comes after fail='7d'"):
        CertificateFile("x.pem", warn="1d")


@given(
    st.binary()
    | st.builds(
        lambda at, byte: DER[:at] + bytes([byte]) + DER[at + 1 :],
        st.integers(0, len(DER) - 1),
        st.integers(0, 255),
    )
)
def test_bytes_of_any_kind_are_read_or_refused(der: bytes) -> None:
    with contextlib.suppress(NoCertificateError):
        assert isinstance(validity(der), Validity)
