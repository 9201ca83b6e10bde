"""The service's certificate is followed by another without anybody being cut off: next, in use, previous."""

import json
import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from ostiary.clock import Clock
from ostiary.command.vo_service import upgrade_vo
from ostiary.config import Holder
from ostiary.errors import ConfigurationError, Missing, NotAuthenticated, OstiaryError, Refusal
from ostiary.x509.attribute_certificate import read_attribute_certificate
from ostiary.x509.lsc import parse_lsc
from ostiary.x509.proxy import make_proxy
from tests.simulator import MovableClock
from tests.voms.conftest import engine as engine
from tests.voms.grid import Grid, make_grid
from tests.x509.authorities import NOW, CertificateAuthority, Extra, Identity, private_key, root, signing_policy
from voms.carried import carried_names
from voms.commands.group import vo_commands
from voms.renewal import drop_next, load_issuer, prepare_next, switch
from voms.settings import VomsSettings
from voms.several import load_vo


class Site:
    """A VO service's files: in use ``host.pem``, of "localhost"."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory, self.clock = directory, clock
        self.authority: CertificateAuthority = root()
        self.host = self.new("/C=ZZ/O=HV Test/CN=localhost")
        self.host.write(directory, "host")
        (directory / "certificates").mkdir()
        self.authority.install(directory / "certificates", policy=signing_policy(self.authority, "/C=ZZ/O=HV Test/*"))
        self.config = directory / "voms.yaml"
        self.config.write_text(
            "vo: testvo\nhost: localhost\nport: 15010\nlisten: {port: 0}\ndatabase: {url: 'sqlite:///vo.db'}\n"
            "certificate: host.pem\nkey: host.key\nca_directory: certificates\n"
        )

    @property
    def settings(self) -> VomsSettings:
        return load_vo(self.config)

    def new(self, name: str, *, host: str = "localhost", begin: datetime = NOW - timedelta(days=1)) -> Identity:
        """A certificate that no other has the key of."""
        names = Extra(x509.SubjectAlternativeName([x509.DNSName(host)]))
        key = private_key("ec", f"{name} {host} {begin}")
        return self.authority.issue(name, key=key, not_before=begin, extra=[names])

    def prepare(self, identity: Identity) -> None:
        certificate, key = identity.write(self.directory, "new")
        prepare_next(certificate, key, self.settings, self.trust, NOW)

    @property
    def trust(self):  # type: ignore[no-untyped-def]
        from ostiary.x509.trust import load_trust_directory

        return load_trust_directory(self.directory / "certificates")

    def run(self, *arguments: str) -> Result:
        commands = vo_commands(prepare=upgrade_vo, clock=self.clock)
        return CliRunner().invoke(commands, ["--config", str(self.config), *arguments])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, MovableClock(NOW))


def in_use(site: Site) -> x509.Certificate:
    return load_issuer(site.settings).key.certificates[0]


def test_the_next_certificate_is_trusted_before_it_signs_and_the_previous_one_after(site: Site) -> None:
    new = site.new("/C=ZZ/O=HV Test/CN=voms 2027")
    old_line, new_line = "/C=ZZ/O=HV Test/CN=localhost", "/C=ZZ/O=HV Test/CN=voms 2027"
    assert [chain[0].subject for chain in load_issuer(site.settings).lsc().chains] == [old_line]
    site.prepare(new)
    assert in_use(site) == site.host.certificate
    assert [chain[0].subject for chain in load_issuer(site.settings).lsc().chains] == [old_line, new_line]
    switch(site.settings, NOW)
    assert in_use(site) == new.certificate
    assert [chain[0].subject for chain in load_issuer(site.settings).lsc().chains] == [new_line, old_line]
    assert sorted(path.name for path in site.directory.glob("host*")) == ["host.key", "host.pem", "host.previous.pem"]


def test_a_certificate_of_the_same_names_leaves_the_lsc_file_as_it_is(site: Site) -> None:
    site.prepare(site.new("/C=ZZ/O=HV Test/CN=localhost", begin=NOW - timedelta(days=2)))
    assert len(load_issuer(site.settings).lsc().chains) == 1


def test_a_running_service_notices_each_step(site: Site) -> None:
    holder = Holder(lambda sources: load_issuer(site.settings, sources), every=timedelta(0))
    assert holder.poll(NOW) is None
    new = site.new("/C=ZZ/O=HV Test/CN=voms 2027")
    site.prepare(new)
    holder.poll(NOW)
    assert len(holder.value.others) == 1
    switch(site.settings, NOW)
    holder.poll(NOW)
    assert holder.value.key.certificates[0] == new.certificate


def test_keys_stay_private(site: Site) -> None:
    site.prepare(site.new("/C=ZZ/O=HV Test/CN=voms 2027"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in site.directory.glob("host.next.*")}
    assert modes == {"host.next.key": 0o600, "host.next.pem": 0o644}
    switch(site.settings, NOW)
    assert (site.directory / "host.key").stat().st_mode & 0o777 == 0o600


def another_host(site: Site) -> Identity:
    return site.new("/C=ZZ/O=HV Test/CN=voms 2027", host="elsewhere.example.org")


def no_host(site: Site) -> Identity:
    return site.authority.issue("/C=ZZ/O=HV Test/CN=voms 2027")


def another_ca(site: Site) -> Identity:
    names = Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    return root("/C=ZZ/O=Nowhere/CN=CA").issue("/C=ZZ/O=HV Test/CN=voms 2027", extra=[names])


def another_key(site: Site) -> Identity:
    return Identity(site.new("/C=ZZ/O=HV Test/CN=voms 2027").certificate, private_key("ec", "another"))


@pytest.mark.parametrize(
    ("make", "kind", "code"),
    [
        (another_host, Refusal, "voms.next_host"),
        (no_host, Refusal, "voms.next_host"),
        (another_ca, NotAuthenticated, "x509.untrusted_ca"),
        (another_key, ConfigurationError, "x509.issuer_key"),
        (lambda site: site.host, Refusal, "voms.next_same"),
    ],
)
def test_a_certificate_that_would_be_of_no_use_is_not_taken(site, make, kind, code) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(kind) as caught:
        site.prepare(make(site))
    assert caught.value.code == code
    assert list(site.directory.glob("host.next.*")) == []


def test_a_certificate_for_later_waits_for_its_time(site: Site) -> None:
    site.prepare(site.new("/C=ZZ/O=HV Test/CN=voms 2027", begin=NOW + timedelta(days=3)))
    with pytest.raises(Refusal, match=r"voms\.next_too_early"):
        switch(site.settings, NOW)
    switch(site.settings, NOW + timedelta(days=3))


def test_a_switch_that_a_crash_cut_in_two_is_finished_by_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    new = site.new("/C=ZZ/O=HV Test/CN=voms 2027")
    site.prepare(new)
    really, moved = os.replace, []

    def crash(source: Path, target: Path) -> None:
        if Path(target).name == "host.pem":
            raise OSError("power cut")
        moved.append(Path(target).name)
        really(source, target)

    monkeypatch.setattr("voms.renewal.os.replace", crash)
    with pytest.raises(ConfigurationError):
        switch(site.settings, NOW)
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match=r"x509\.issuer_key"):
        load_issuer(site.settings)
    switch(site.settings, NOW)
    assert in_use(site) == new.certificate
    assert load_issuer(site.settings).others[0][0] == site.host.certificate


def test_the_next_certificate_can_be_dropped_again(site: Site) -> None:
    site.prepare(site.new("/C=ZZ/O=HV Test/CN=voms 2027"))
    drop_next(site.settings)
    assert list(site.directory.glob("host.next.*")) == []
    for step in (lambda: drop_next(site.settings), lambda: switch(site.settings, NOW)):
        with pytest.raises(Missing, match=r"voms\.no_next"):
            step()


def test_a_proxy_with_what_the_previous_key_signed_still_bounds(engine, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    grid: Grid = make_grid(engine, tmp_path, root(), now=NOW)
    less = grid.certificate("fqans=/testvo")
    made = make_proxy(
        grid.alice.certificates,
        grid.alice.key,
        lifetime=timedelta(hours=12),
        now=NOW,
        attribute_certificates=(less,),
        key_size="ec",
    )
    (tmp_path / "voms.yaml").write_text(
        "vo: testvo\nhost: localhost\nport: 15010\nlisten: {port: 0}\ndatabase: {url: 'sqlite:///vo.db'}\n"
        "certificate: host.pem\nkey: host.key\nca_directory: certificates\n"
    )
    settings = load_vo(tmp_path / "voms.yaml")
    names = Extra(x509.SubjectAlternativeName([x509.DNSName("localhost")]))
    new = grid.authority.issue("/C=ZZ/O=HV Test/CN=voms 2027", extra=[names])
    certificate, key = new.write(tmp_path, "new")
    prepare_next(certificate, key, settings, grid.trust(), NOW)
    switch(settings, NOW)
    issuer = load_issuer(settings)
    chain = Identity(made.certificate, made.private_key, made.certificates[1:])
    from ostiary.x509.clients import verify_client

    verified = verify_client(chain.ders, grid.trust(), NOW)
    found = carried_names(verified, "testvo", issuer.lsc(), grid.trust(), NOW)
    assert found is not None
    assert {fqan.short() for fqan in found} == {"/testvo", "/testvo/g1", "/testvo/g1/sub", "/testvo/g2"}
    with pytest.raises(OstiaryError, match=r"x509\.ac_lsc"):
        carried_names(verified, "testvo", type(issuer)(issuer.key, "localhost", 1).lsc(), grid.trust(), NOW)
    assert read_attribute_certificate(less).issuer != issuer.key.certificates[0].subject.public_bytes()


def test_the_commands_lead_through_it(site: Site) -> None:
    assert site.run("create").exit_code == 0
    new_certificate, new_key = site.new("/C=ZZ/O=HV Test/CN=voms 2027").write(site.directory, "new")
    told = site.run("certificate", "next", str(new_certificate), str(new_key))
    assert told.output == (
        "Its key is not RSA: relying parties in Java can't verify it.\n"
        "Give relying parties the new LSC file (ostiary vo lsc), and switch when they have installed it.\n"
    )
    lsc = parse_lsc(site.run("lsc").output, "lsc")
    assert [chain[0].subject for chain in lsc.chains] == [
        "/C=ZZ/O=HV Test/CN=localhost",
        "/C=ZZ/O=HV Test/CN=voms 2027",
    ]
    assert site.run("vomses").output == ('"testvo" "localhost" "15010" "/C=ZZ/O=HV Test/CN=localhost" "testvo"\n')
    assert site.run("vomses", "--next").output == (
        '"testvo" "localhost" "15010" "/C=ZZ/O=HV Test/CN=voms 2027" "testvo"\n'
    )
    assert site.run("certificate", "switch").output.startswith("in use: /C=ZZ/O=HV Test/CN=voms 2027\n")
    shown = json.loads(site.run("certificate", "show", "--json").output)
    assert {place: about["subject"] for place, about in shown.items()} == {
        "in use": "/C=ZZ/O=HV Test/CN=voms 2027",
        "previous": "/C=ZZ/O=HV Test/CN=localhost",
    }
    assert shown["in use"]["hosts"] == ["localhost"]


def test_a_previous_certificate_that_cant_be_read_is_told(site: Site) -> None:
    (site.directory / "host.previous.pem").write_text("rubbish")
    with pytest.raises(ConfigurationError) as caught:
        load_issuer(site.settings)
    assert caught.value.code == "x509.issuer_certificate"
