"""The pages about the identity provider, followed from top to bottom over the home organisation of docs/run-a-home-organisation.md:
every file is put where the page says, both services start with it, every command is run."""

import contextlib
import importlib.util
import itertools
import os
import re
import shlex
import shutil
import struct
from collections.abc import Callable, Mapping
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
import yaml

from idp.accounts import registrations
from idp.accounts.directory import Directory
from idp.factors.keys import load_factor_keys
from idp.factors.store import Factors
from idp.identifiers.stored import PersistentIds
from idp.operate.live import LIVE
from idp.partners import PartnerSettings
from idp.settings import IdpSettings, ThrottleSettings
from ostiary.clock import SystemClock
from ostiary.command.configuration_reference import configuration_reference
from ostiary.command.home import make_home_authority
from ostiary.config import Settings, load_settings
from ostiary.errors import ConfigurationError
from ostiary.federation.rotation import write_published
from ostiary.storage.engine import open_database
from ostiary.web.log import make_log
from ostiary.web.texts import Catalogue
from tests import documents_in_sync
from tests.docs.followed_page import (
    READ_ONCE,
    ROOT,
    Scene,
    blocks_of,
    check_start,
    follow,
    inline_code,
    make_home,
    put_into,
    run,
    started,
    text_of,
)
from tests.documents_in_sync import dead_links
from tests.x509 import authorities

INDEX = "idp.md"
SEVERAL = "several-attribute-authorities.md"
PAGES = sorted(path.name for path in (ROOT / "docs").glob("idp-*.md"))
CLOCK = SystemClock()

ELSEWHERE = "is typed on another machine, in another program"
WEB_SERVER = "is the configuration of another web server; tests/login and tests/command send what it would send"
# Blocks that are not run, by page and first line. Whoever adds one gives the reason here.
NOT_RUN: dict[tuple[str, str], str] = {
    (
        "idp-login.md",
        "apt-get install gcc python3-dev libkrb5-dev",
    ): "needs root; the lock of the extra is built by `make e2e`",
    ("idp-login.md", "addprinc -randkey HTTP/login.example.org"): f"{ELSEWHERE}; tests/e2e/kdc.py does the same",
    ("idp-login.md", "# nginx"): WEB_SERVER,
    ("idp-login.md", "# Apache"): WEB_SERVER,
    (SEVERAL, "resource ──query──▶ authority 0 (in metadata) ──its own people──▶ answers"): "is a picture",
}
RUN = ("yaml", "sh", "csv")


@pytest.fixture(autouse=True)
def texts_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "load", READ_ONCE)


@pytest.fixture(scope="module")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What docs/run-a-home-organisation.md makes."""
    home = tmp_path_factory.mktemp("home")
    make_home(home)
    # The same with an elliptic curve, for each start checks the primes of an RSA key.
    certificate, _ = authorities.root("/CN=home.example.org").write(home / "keys", "current")
    certificate.replace(home / "keys" / "current.crt")
    write_published(home / "keys")
    check_start(home)
    return home


@pytest.fixture
def home(new_home: Path, tmp_path: Path) -> Path:
    """A copy of it, with the files that administrators bring along."""
    home = tmp_path / "home"
    shutil.copytree(new_home, home)
    for name, content in PRIVATE.items():
        (home / name).touch(mode=0o600)
        (home / name).write_text(content)
    for name, content in BROUGHT_ALONG.items():
        (home / name).write_text(content)
    (home / "http.keytab").touch(mode=0o600)
    (home / "http.keytab").write_bytes(keytab("EXAMPLE.ORG", "HTTP", "login.example.org"))
    cheap = {"password_hashing": {"time_cost": 1, "memory": 8, "parallelism": 1}}
    put_into(home / "idp.yaml", cheap)
    ca = authorities.root()
    (home / "ca").mkdir()
    ca.install(home / "ca", crl=ca.crl())
    for name in ("ldap-ca", "ad-ca", "partners-ca", "ca"):
        (home / f"{name}.pem").write_bytes(authorities.pem(ca.certificate))
    ca.issue("/C=ZZ/O=HV Test/CN=login.example.org").write(home, "login")
    ca.issue("/C=ZZ/O=HV Test/CN=Alice").write(home, "alice")
    return home


PRIVATE = {
    "alice.password": "a door of her own\n",
    "mail.password": "letters letters\n",
    "ldap.password": "a long one\n",
    "front.secret": "0123456789abcdef\n",
    "status.token": "0123456789abcdef0123456789abcdef\n",
}
LDAP = """
servers: [ldaps://ldap.example.org]
ca_file: ldap-ca.pem
bind_dn: cn=ostiary,dc=example,dc=org
password_file: ldap.password
base_dn: dc=example,dc=org
"""
BROUGHT_ALONG = {
    # SHA-1 of "tulip ladder ocean clock" is not in it.
    "pwned-passwords-sha1-ordered-by-hash.txt": "000000005AD76BD555C1D6D771DE417A4B87E4B4:10\n",
    "library.png": "a picture",
    "logo.svg": '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>',
    "terms.en.txt": "# Terms\n\nBe kind.\n",
    "terms.nl.txt": "# Voorwaarden\n\nWees vriendelijk.\n",
}


def keytab(realm: str, *components: str) -> bytes:
    """One key of aes256-cts-hmac-sha1-96 in MIT Kerberos' keytab format 2."""

    def counted(text: str) -> bytes:
        return struct.pack(">H", len(text)) + text.encode()

    principal = struct.pack(">H", len(components)) + b"".join(map(counted, (realm, *components)))
    entry = principal + struct.pack(">IIBHH", 1, 0, 1, 18, 32) + b"0" * 32
    return b"\x05\x02" + struct.pack(">i", len(entry)) + entry


def idp_settings(home: Path) -> IdpSettings:
    return load_settings(home / "idp.yaml", IdpSettings)


def two_register(home: Path) -> Mapping[str, str]:
    """Two people prove their addresses, as the registration page does it."""
    settings, now = idp_settings(home), CLOCK.now()
    engine = open_database(settings.database)
    for mail in ("grace@navy.example", "eve@elsewhere.example"):
        applicant = registrations.Applicant(mail, mail.partition("@")[0], "", "en")
        with Directory(engine).change(at=now, by="anybody") as change:
            token = registrations.begin(change, applicant, lifetime=settings.registration.confirm_within)
            assert token is not None
            registrations.prove(
                change, token, password_hash="-", certificate=None, lifetime=settings.registration.decide_within
            )
    engine.dispose()
    return {}


def people_come(*login_names: str) -> Scene:
    def scene(home: Path) -> Mapping[str, str]:
        for name in login_names:
            run(f"ostiary people --config idp.yaml create {name} --no-password", home)
        return {}

    return scene


def alice_sets_up_an_app(home: Path) -> Mapping[str, str]:
    settings, now = idp_settings(home), CLOCK.now()
    engine = open_database(settings.database)
    assert settings.second_factor is not None
    person = Directory(engine).find("alice")
    if person is None:
        people_come("alice")(home)
        person = Directory(engine).find("alice")
    assert person is not None
    keys = load_factor_keys([home / path for path in settings.second_factor.secret_keys])
    added = Factors(engine, keys).add_totp(person.principal, b"0" * 20, "Phone", step=1, at=now, by=person.principal)
    engine.dispose()
    return {"FACTOR_ID": added}


def a_fortnight_goes_by(home: Path) -> Mapping[str, str]:
    """A key is as old as its file says."""
    for directory in (home / "keys", home / "handle-keys"):
        for file in directory.glob("*"):
            then = file.stat().st_mtime - timedelta(days=15).total_seconds()
            os.utime(file, (then, then))
    return {}


def ada_is_known_at_the_library(home: Path) -> Mapping[str, str]:
    people_come("ada")(home)
    engine = open_database(idp_settings(home).database)
    person = Directory(engine).find("ada")
    assert person is not None
    ids = PersistentIds(engine)
    ids.issue(
        person.principal,
        "https://library.example/sp",
        lambda _given_before: "aWNo",
        authority=0,
        origin="random",
        at=CLOCK.now(),
    )
    engine.dispose()
    return {}


SCENES: dict[str, dict[str, Scene]] = {
    "idp-accounts.md": {"ostiary people --config idp.yaml pending": two_register},
    "idp-identifiers.md": {
        "ostiary people --config idp.yaml persistent-ids list --login-name ada": ada_is_known_at_the_library,
    },
    "idp-second-factors.md": {
        "ostiary people --config idp.yaml factors list --user alice": alice_sets_up_an_app,
        "ostiary people --config idp.yaml factors remove --user alice FACTOR_ID": alice_sets_up_an_app,
    },
    "idp-operate.md": {
        command: a_fortnight_goes_by
        for block in blocks_of("idp-operate.md")
        if block.language == "sh"
        for command in block.lines()
        if "days later" in command
    },
}
# What commands print, by what stands in them: so that they did what the page says.
PRINTED: dict[str, list[tuple[str, str]]] = {
    "idp-accounts.md": [
        (" show alice", "must be changed"),
        (" import people.csv", "2 would be created, 0 would be changed, 0 as they are"),
        (" --apply --invite", "2 created, 0 changed, 0 as they are\n2 invited"),
        (" pending", "grace@navy.example"),
        (" add-certificate ", "CN=Alice"),
    ],
    "idp-identifiers.md": [(" list --login-name ada", "aWNo"), (" import identifiers.csv", "2\n")],
    "idp-second-factors.md": [
        (" factors list ", "Phone"),
        (" FACTOR_ID", "1 removed"),
        (" --all", "1 removed"),
    ],
    "idp-operate.md": [
        (" # what there is", "signing    next step: prepare, at any time"),
        (" # prepare:", "signing: prepared."),
        (" activate:", "signing: activated."),
        (" retire:", "signing: removed."),
        ("rotate idp.yaml encryption", "encryption: prepared."),
        ("rotate idp.yaml handle", "handle: prepared."),
        ("maintenance on", "maintenance.yaml is written."),
        ("maintenance off", "maintenance.yaml is removed."),
    ],
}
# What each page gives people, or what it shows: by path, with the status of a request before and after.
GIVES: dict[str, list[tuple[str, int, int]]] = {
    "idp-accounts.md": [("/account/forgotten", 404, 200), ("/account/register", 404, 200)],
    "idp-second-factors.md": [("/account/factors", 404, 303)],
    "idp-consent.md": [("/terms", 404, 200)],
    "idp-portal.md": [("/portal", 404, 303)],
}


def follow_some(page: str, home: Path) -> dict[str, str]:
    return follow(page, home, SCENES.get(page, {}), check=SPECIAL.get(page, plain_check))


def plain_check(home: Path, _heading: str) -> None:
    check_start(home)


def check_login(home: Path, heading: str) -> None:
    """Each section brings its way to log in."""
    if heading.startswith("Kerberos") and importlib.util.find_spec("gssapi") is None:
        # Without the extra the service says so; everything before that is right.
        with pytest.raises(ConfigurationError) as refused:
            check_start(home)
        assert refused.value.code == "login.no_gssapi"
        return
    with started(home) as (idp, _):
        ways = {rule.rule for rule in idp.url_map.iter_rules() if rule.rule.startswith("/saml/sso/login")}
        passwords = any(rule.endpoint == "sso_login_post" for rule in idp.url_map.iter_rules())
    front_end = heading.startswith("A web server")
    further = {
        "Kerberos (SPNEGO)": {"/saml/sso/login/negotiate"},
        "Certificates": {"/saml/sso/login/certificate"},
    }.get(heading, {"/saml/sso/login/front-end"} if front_end else set())
    assert ways == {"/saml/sso/login", *further}
    assert passwords is not front_end


def check_operation(home: Path, heading: str) -> None:
    with started(home) as (idp, _):
        if heading == "Make the pages yours":
            client = idp.test_client()
            page = client.get("/sign-in", base_url=idp_settings(home).public_url, follow_redirects=True)
            assert "Sign in to Example University" in page.text
            assert "Help desk" in page.text


def check_medicine(home: Path, heading: str) -> None:
    if heading.startswith("Each other authority"):
        with contextlib.chdir(home):
            make_home_authority(
                Path("medicine.yaml"), clock=CLOCK, log=make_log(CLOCK, service="aa", stream=StringIO())
            )
        shutil.copy(home / "medicine-keys" / "current.crt", home / "medicine.crt")
    check_start(home)


SPECIAL: dict[str, Callable[[Path, str], None]] = {
    "idp-login.md": check_login,
    "idp-operate.md": check_operation,
    SEVERAL: check_medicine,
}


def status_of(home: Path, path: str) -> int:
    with started(home) as (app, _):
        # A redirect to the login comes from a page that is there.
        return app.test_client().get(path, base_url=idp_settings(home).public_url).status_code


@pytest.mark.parametrize("page", [*PAGES, SEVERAL])
def test_the_services_start_and_the_commands_succeed_by_following(page: str, home: Path) -> None:
    if page == SEVERAL:
        (home / "ldap.yaml").write_text(LDAP)
    for path, before, _ in GIVES.get(page, []):
        assert status_of(home, path) == before, path
    printed = follow_some(page, home)
    for words, expected in PRINTED.get(page, []):
        assert any(expected in text for command, text in printed.items() if words in f" {command}"), (words, printed)
    for path, _, after in GIVES.get(page, []):
        assert status_of(home, path) == after, path


@pytest.mark.parametrize("page", [INDEX, *PAGES, SEVERAL])
def test_every_block_is_followed_or_has_a_reason_why_not(page: str) -> None:
    left = {(page, block.lines()[0]) for block in blocks_of(page) if block.language not in RUN}
    assert left == {known for known in NOT_RUN if known[0] == page}
    assert not [block for block in blocks_of(page) if block.language == "text" and "ostiary " in block.text]


def test_every_scene_and_every_printed_text_belongs_to_a_command_of_its_page() -> None:
    for page, scenes in SCENES.items():
        known = {command for block in blocks_of(page) if block.language == "sh" for command in block.lines()}
        assert scenes.keys() <= known
    assert {*SCENES, *PRINTED, *GIVES} <= set(PAGES)
    assert len(SCENES["idp-operate.md"]) == 2


@pytest.mark.parametrize("page", [*PAGES, SEVERAL])
def test_commands_within_sentences_exist_with_their_options(page: str, home: Path) -> None:
    for code in inline_code(page):
        words = code.split()
        if words[0] != "ostiary" or len(words) == 1:
            continue
        # What is written in capitals, or is a file or value, is the reader's.
        command = list(itertools.takewhile(lambda word: re.fullmatch(r"[a-z][a-z-]*", word), words[1:]))
        if command[0] == "people":
            command = ["people", "--config", "idp.yaml", *command[1:]]
            command += [word for word in words[4:5] if re.fullmatch(r"[a-z][a-z-]*", word)]
        told = run(shlex.join(["ostiary", *command, "--help"]), home)
        assert told.startswith("Usage:")
        for option in re.findall(r"--[a-z][a-z-]*", code):
            assert option in told or command[0] == "people", f"{code}: {option}"


def test_settings_within_sentences_are_good(home: Path) -> None:
    minimal, found = yaml.safe_load((home / "idp.yaml").read_text()), set()
    for code in [code for page in [*PAGES, SEVERAL] for code in inline_code(page) if ": " in code]:
        setting = yaml.safe_load(code)
        if isinstance(setting, dict) and setting.keys() <= IdpSettings.model_fields.keys():
            (home / "tried.yaml").write_text(yaml.safe_dump({**minimal, **setting}))
            load_settings(home / "tried.yaml", IdpSettings)
            found.add(code)
    assert found >= {"portal: {}", "login: {known_browsers: false}", "people: {type: embedded}"}


def test_every_key_that_a_sentence_writes_with_a_value_is_one() -> None:
    # The reference in docs/configuration.md is made of all settings there are, so they are all imported.
    assert callable(configuration_reference)

    def below(kind: type[Settings]) -> set[str]:
        own = {field.alias or name for name, field in kind.model_fields.items()}
        return own.union(*map(below, kind.__subclasses__()))

    known = below(Settings)
    written = {
        found[1]: page
        for page in [*PAGES, SEVERAL]
        for code in inline_code(page)
        if (found := re.match(r"([a-z_]+): ", code)) is not None
    }
    assert {"subject_identifier", "active_filter", "require_crl", "passwordless"} <= written.keys()
    assert {key: page for key, page in written.items() if key not in known} == {}


def test_the_list_of_what_takes_effect_at_once_is_complete() -> None:
    [line] = [part for part in text_of("idp-operate.md").split("\n- ") if part.startswith("These keys take effect")]
    assert set(re.findall("`(.+?)`", line.partition(" The files")[0])) == LIVE


def test_the_list_of_what_can_be_said_about_one_partner_is_complete() -> None:
    _, _, after = text_of("idp-operate.md").partition("The keys: ")
    listed = re.findall("`(.+?)`", after.partition(". What makes")[0])
    selectors = {"entity_id", "entity_category", "registration_authority"}
    assert set(listed) == PartnerSettings.model_fields.keys() - selectors


def test_the_table_of_attempts_says_what_the_defaults_are() -> None:
    table = text_of("idp-login.md").partition("| who | how often")[2].partition("\n\n")[0]
    default = ThrottleSettings()
    assert set(re.findall("`([a-z_]+)`", table)) - {"throttle"} == ThrottleSettings.model_fields.keys()
    for said, value in (
        ("| 10 attempts, then one after 1, 2, 4, 8, 15, 15 ", default.per_name_and_address),
        ("| 100 a minute ", default.per_address),
        ("| 50 a minute ", default.per_name),
        ("| 2 each a day, ", default.for_new_addresses),
        (" 2500 together an hour ", default.new_addresses),
    ):
        assert said in table
        assert re.findall(r"\d+", said)[0] == str(value)
    assert (default.window, default.longest_wait) == (timedelta(minutes=1), timedelta(minutes=15))


def test_every_page_is_reached_from_the_first_and_its_links_lead_somewhere() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", text_of(INDEX)))
    assert linked >= {*PAGES, SEVERAL, "run-a-home-organisation.md"}
    assert dead_links() == []


def test_a_link_to_a_file_or_a_heading_that_is_not_there_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents_in_sync, "ROOT", tmp_path)
    (tmp_path / "README.md").write_text(
        "# A page: `mine` (2)\n[a](#a-page-mine-2) [b](b.md#here) [c](b.md#gone) [d](#d) [e](e.md)\n"
    )
    (tmp_path / "b.md").write_text("```sh\n# gone\n```\n## Here\n")
    assert dead_links() == [
        "README.md: link to b.md#gone, which is no heading there",
        "README.md: link to #d, which is no heading there",
        "README.md: link to e.md, which does not exist",
    ]


def test_every_page_for_people_that_the_documents_name_is_there(home: Path) -> None:
    """With everything switched on that a page can switch on."""
    for page in ("idp-second-factors.md", "idp-portal.md", "idp-consent.md"):
        follow_some(page, home)
    put_into(
        home / "idp.yaml",
        {
            "mail": {"type": "files", "directory": "mail", "sender": "help@example.org"},
            "registration": {"by": ["password"]},
        },
    )
    with started(home) as (idp, authority):
        known = {rule.rule for app in (idp, authority) for rule in app.url_map.iter_rules()}
    named = {
        code.partition("?")[0]
        for page in [*PAGES, SEVERAL]
        for code in inline_code(page)
        if code.startswith("/") and not code.startswith(("/ostiary/", "/64"))
    }
    assert {"/account/password", "/account/sessions", "/portal", "/logout", "/saml/sso/ecp"} <= named
    for path in sorted(named):
        assert path in known or any(rule.startswith(path.rstrip("/.") + "/") for rule in known), path
