"""Login by certificate: which certificates are believed, from whom, and whose they are."""

import base64
import re
from datetime import timedelta
from io import StringIO
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.login.certificate import UPN, CertificateLogin, Field, FieldRule, field_values
from idp.login.mapping import NameRule
from idp.login.methods import Arrival, Authenticated, NotOffered, Rejected
from ostiary.config import TrustedPeer, networks
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.passed_on import certificates_in
from ostiary.x509.proxy import make_proxy
from tests.ldap_directory import MemoryDirectory
from tests.login.kits import NOW, filled_directory, home_of, request, told_to
from tests.x509.authorities import DAY, CertificateAuthority, Extra, Identity, der, pem, root, trust_directory

CA = root()
FRONT = "192.0.2.80"


def alternative(*names: x509.GeneralName) -> Extra:
    return Extra(x509.SubjectAlternativeName(names))


def upn(text: str) -> x509.OtherName:
    raw = text.encode()
    return x509.OtherName(UPN, bytes((0x0C, len(raw))) + raw)


def rules(*pairs: tuple[Field, str, str]) -> tuple[FieldRule, ...]:
    return tuple(FieldRule(field, NameRule(re.compile(pattern), name)) for field, pattern, name in pairs)


MAIL = rules(("mail", r"(?P<name>[a-z]+)@example\.org", "{name}"))


class Registered:
    def __init__(self, **known: CertificateNames) -> None:
        self.known = known

    def principal_with(self, names: CertificateNames) -> str | None:
        return next((f"id-of-{who}" for who, whose in self.known.items() if whose == names), None)


def login(
    tmp_path: Path,
    mapped: tuple[FieldRule, ...] = MAIL,
    *,
    crl: bytes = b"",
    require_crl: bool = False,
    registered: Registered | None = None,
    people: MemoryDirectory | None = None,
    log: StringIO | None = None,
) -> CertificateLogin:
    trust = trust_directory(tmp_path / "ca", CA, crl=crl, require_crl=require_crl)
    return CertificateLogin(
        trust=lambda: trust,
        home=home_of(people or filled_directory()),
        registered=registered,
        rules=mapped,
        ignored=told_to(log or StringIO()),
        header="ClientCert",
        peer=TrustedPeer(networks((f"{FRONT}/32",))),
    )


def hers(authority: CertificateAuthority = CA, **changes: object) -> Identity:
    name = alternative(x509.RFC822Name("ada@example.org"))
    return authority.issue("/C=ZZ/O=HV Test/CN=Ada", extra=(name,), **changes)  # type: ignore[arg-type]


def shown(identity: Identity) -> Arrival:
    return request(chain=identity.ders)


def test_a_certificate_of_a_trusted_ca_is_hers_by_its_mail_address(tmp_path: Path) -> None:
    assert login(tmp_path).look(shown(hers()), NOW) == Authenticated("id-of-ada")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"not_after": NOW - DAY}, "x509.expired"),
        ({"not_before": NOW + DAY}, "x509.not_yet_valid"),
        ({"authority": root("/C=ZZ/O=Other/CN=Other CA")}, "x509.untrusted_ca"),
    ],
)
def test_a_certificate_that_is_not_valid_is_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    outcome = login(tmp_path).look(shown(hers(**changes)), NOW)  # type: ignore[arg-type]
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "not_valid"
    assert outcome.detail.startswith(code)


def test_a_revoked_certificate_is_refused(tmp_path: Path) -> None:
    revoked = hers()
    outcome = login(tmp_path, crl=CA.crl(revoked.certificate.serial_number)).look(shown(revoked), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("x509.revoked")


def test_without_a_crl_nobody_is_believed_where_one_is_required(tmp_path: Path) -> None:
    outcome = login(tmp_path, require_crl=True).look(shown(hers()), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("x509.crl_missing")


def test_a_certificate_for_servers_is_no_login(tmp_path: Path) -> None:
    usage = Extra(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]))
    name = alternative(x509.RFC822Name("ada@example.org"))
    server = CA.issue("/C=ZZ/O=HV Test/CN=Ada", extra=(name, usage))
    outcome = login(tmp_path).look(shown(server), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.detail.startswith("x509.extended_key_usage")


def test_a_proxy_certificate_is_no_login(tmp_path: Path) -> None:
    own = hers()
    made = make_proxy(own.certificates, own.key, lifetime=timedelta(hours=1), now=NOW, key_size="ec")
    outcome = login(tmp_path).look(request(chain=made.ders), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "not_valid"
    assert outcome.detail.startswith("a proxy of /C=ZZ/O=HV Test/CN=Ada")


# Whose it is


@pytest.mark.parametrize(
    ("subject", "names", "rule"),
    [
        ("/O=HV Test/CN=x", (x509.RFC822Name("ada@example.org"),), ("mail", r"(?P<name>\w+)@example\.org", "{name}")),
        ("/O=HV Test/CN=x", (upn("ada@AD.EXAMPLE.ORG"),), ("upn", r"(?P<name>\w+)@AD\.EXAMPLE\.ORG", "{name}")),
        ("/O=HV Test/CN=x", (x509.UniformResourceIdentifier("urn:id:ada"),), ("uri", r"urn:id:(?P<name>\w+)", "{name}")),
        ("/O=HV Test/CN=x", (x509.DNSName("ada.people.example.org"),), ("dns", r"(?P<name>\w+)\.people\.example\.org", "{name}")),
        ("/O=HV Test/UID=ada", (), ("uid", "(?P<name>.+)", "{name}")),
        ("/O=HV Test/CN=Ada Lovelace (ada)", (), ("common_name", r".*\((?P<name>\w+)\)", "{name}")),
        ("/O=HV Test/emailAddress=ada@example.org", (), ("subject_mail", r"(?P<name>\w+)@example\.org", "{name}")),
        ("/O=HV Test/CN=ada", (), ("subject", "CN=(?P<name>[a-z]+),O=HV Test", "{name}")),
        ("/O=HV Test/CN=x", (x509.RFC822Name("da@example.org"),), ("mail", r"(?P<name>\w+)@example\.org", "a{name}")),
    ],
)  # fmt: skip
def test_a_rule_takes_the_login_name_from_its_field(
    tmp_path: Path, subject: str, names: tuple[x509.GeneralName, ...], rule: tuple[Field, str, str]
) -> None:
    identity = CA.issue(subject, extra=(alternative(*names),) if names else ())
    assert login(tmp_path, rules(rule)).look(shown(identity), NOW) == Authenticated("id-of-ada")


@pytest.mark.parametrize(
    "mail",
    ["ada@example.org.evil.net", "evil+ada@example.org", "ada@example.orgx", "eve@example.org", "ADA@example.org\n"],
)
def test_a_pattern_must_match_the_whole_value(tmp_path: Path, mail: str) -> None:
    identity = CA.issue("/O=HV Test/CN=x", extra=(alternative(x509.RFC822Name(mail)),))
    outcome = login(tmp_path).look(shown(identity), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "foreign"


def test_a_certificate_that_means_two_people_means_nobody(tmp_path: Path) -> None:
    two = alternative(x509.RFC822Name("ada@example.org"), x509.RFC822Name("bob@example.org"))
    outcome = login(tmp_path).look(shown(CA.issue("/O=HV Test/CN=x", extra=(two,))), NOW)
    assert isinstance(outcome, Rejected)
    assert (outcome.reason, outcome.principal) == ("foreign", None)
    assert outcome.detail.startswith("2 names by mail")


def test_the_next_rule_is_asked_where_a_field_is_missing(tmp_path: Path) -> None:
    mapped = (*MAIL, *rules(("uid", "(?P<name>.+)", "{name}")))
    assert login(tmp_path, mapped).look(shown(CA.issue("/O=HV Test/UID=ada")), NOW) == Authenticated("id-of-ada")


def test_a_registered_certificate_is_its_owners_whatever_the_rules_say(tmp_path: Path) -> None:
    people = filled_directory()
    people.add("zoe")
    identity = hers()
    registered = Registered(zoe=CertificateNames.of(identity.certificate))
    method = login(tmp_path, registered=registered, people=people)
    assert method.look(shown(identity), NOW) == Authenticated("id-of-zoe")
    other = CA.issue("/C=ZZ/O=HV Test/CN=Ada L", extra=(alternative(x509.RFC822Name("ada@example.org")),))
    assert method.look(shown(other), NOW) == Authenticated("id-of-ada")


def test_a_registered_certificate_of_somebody_disabled_lets_nobody_in(tmp_path: Path) -> None:
    identity = hers()
    registered = Registered(bob=CertificateNames.of(identity.certificate))
    outcome = login(tmp_path, registered=registered).look(shown(identity), NOW)
    assert outcome == Rejected("disabled", "id-of-bob", proven=True)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40))
def test_no_content_of_an_other_name_breaks_it(content: bytes) -> None:
    made = CA.issue(
        "/O=HV Test/CN=x", extra=(alternative(x509.OtherName(UPN, b"\x0c" + bytes([len(content)]) + content)),)
    )
    values = field_values(made.certificate, "upn")
    assert values == ((content.decode(),) if is_text(content) else ())


def is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


# Through a web server in front


def header_forms() -> list[str]:
    own = hers()
    text = pem(own.certificate).decode()
    encoded = base64.b64encode(der(own.certificate)).decode()
    return [
        quote(text, safe=""),
        quote(text),
        text.replace("\n", " "),
        text.replace("\n", "\t"),
        f":{encoded}:",
        encoded,
    ]


@pytest.mark.parametrize("place", range(6))
def test_the_web_server_in_front_may_write_the_certificate_in_each_usual_way(tmp_path: Path, place: int) -> None:
    arrival = request({"clientcert": header_forms()[place]}, peer=FRONT)
    assert login(tmp_path).look(arrival, NOW) == Authenticated("id-of-ada")


def test_from_anybody_else_the_header_is_as_if_it_were_not_there_and_told_once(tmp_path: Path) -> None:
    log = StringIO()
    method = login(tmp_path, log=log)
    for _ in range(3):
        assert isinstance(method.look(request({"clientcert": header_forms()[0]}, peer="198.51.100.1"), NOW), NotOffered)
    assert log.getvalue().count("front_end_not_trusted") == 1
    assert "ClientCert" in log.getvalue()


def test_the_certificate_of_the_connection_comes_before_a_header(tmp_path: Path) -> None:
    other = CA.issue("/O=HV Test/CN=x", extra=(alternative(x509.RFC822Name("eve@example.org")),))
    outcome = login(tmp_path).look(Arrival(FRONT, FRONT, {"clientcert": header_forms()[0]}, other.ders), NOW)
    assert isinstance(outcome, Rejected)
    assert outcome.reason == "foreign"


@pytest.mark.parametrize(
    "given",
    [
        "",
        "(null)",
        "-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
        ":AAAA:",
        "A" * 70_000,
        "%",
        "\u20ac",
        "=" * 50,
    ],
)
def test_a_header_that_holds_no_certificate_proves_nothing(tmp_path: Path, given: str) -> None:
    outcome = login(tmp_path).look(request({"clientcert": given}, peer=FRONT), NOW)
    assert isinstance(outcome, (NotOffered, Rejected))


@settings(max_examples=50)
@given(st.text(max_size=200))
def test_no_header_breaks_the_reader(given: str) -> None:
    assert isinstance(certificates_in(given), tuple)
