"""``ostiary vo ...``: the VO's groups, roles and members on the command line. A member is named by a certificate file or by her id."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from cryptography import x509
from sqlalchemy import Engine

from ostiary.clock import Clock
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError, Missing, Refusal
from ostiary.storage.engine import open_database
from ostiary.x509.certificate_names import CertificateNames
from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.lsc import Lsc, Names, write_lsc
from ostiary.x509.names import issuer_bytes, slash_form_of
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.vomses import VomsServer
from voms.directory import FederatedIdentity, VoDirectory, create_vo
from voms.grant_options import Holds, instant, when
from voms.memberships import Memberships
from voms.settings import VomsSettings
from voms.standing import End, Standing

_OPERATOR: Final = "operator"
_MEMBER_ID: Final = re.compile(r"[0-9a-f]{32}")
_FILE: Final = click.Path(dir_okay=False, path_type=Path)
_member = click.argument("member", metavar="CERTIFICATE_OR_ID")


@dataclass(frozen=True, slots=True)
class _Desk:
    """What every command of the group works with."""

    engine: Engine
    directory: VoDirectory
    memberships: Memberships
    now: datetime
    settings: VomsSettings

    def member(self, text: str) -> str:
        """The id of whom a certificate file or an id names."""
        return text if _MEMBER_ID.fullmatch(text) else self.standing(text).member

    def standing(self, text: str) -> Standing:
        if _MEMBER_ID.fullmatch(text):
            found, named = self.memberships.of_member(text, self.now), text
        else:
            names = names_of_file(Path(text))
            found, named = self.memberships.of_certificate(names, self.now), names.subject
        if found is None:
            raise Missing("voms.no_member", expected="a member of this VO", found=named)
        return found


def vo_commands(*, prepare: Callable[[Engine], None], clock: Clock) -> click.Group:
    """The group ``vo``. ``prepare`` brings the tables of a database up to date; only the roof knows all that live in it.

    The commands raise `OstiaryError`, which the roof puts into words.
    """

    @click.group("vo")
    @click.option("--config", required=True, type=_FILE, help="The configuration file of the VO service (voms.yaml).")
    @click.pass_context
    def vo(context: click.Context, config: Path) -> None:
        """A virtual organisation."""
        settings = load_settings(config, VomsSettings)
        engine = open_database(settings.database)
        context.call_on_close(engine.dispose)
        prepare(engine)
        name = settings.vo
        context.obj = _Desk(engine, VoDirectory(engine, name), Memberships(engine, name), clock.now(), settings)

    @vo.command("create")
    @click.option("--no-inheritance", is_flag=True, help="What a group gives stays there, as in the original VOMS.")
    @click.pass_obj
    def create(desk: _Desk, no_inheritance: bool) -> None:
        """Make the VO that the configuration names, with its root group."""
        # Better now than when the service is started.
        load_issuer_key(desk.settings.certificate, desk.settings.key)
        create_vo(desk.engine, desk.directory.name, at=desk.now, by=_OPERATOR, inherits=not no_inheritance)
        click.echo(f"The VO {desk.directory.name} is there.")

    @vo.command("add-group")
    @click.argument("group")
    @click.option("--description", default="")
    @click.option("--optional", is_flag=True, help="State it only when asked for.")
    @click.pass_obj
    def add_group(desk: _Desk, group: str, description: str, optional: bool) -> None:
        """Make the GROUP /vo/name; the one above it must be there."""
        desk.directory.add_group(group, at=desk.now, by=_OPERATOR, description=description, optional=optional)

    @vo.command("set-optional")
    @click.argument("group")
    @click.option("--no", "always", is_flag=True, help="State it always.")
    @click.pass_obj
    def set_optional(desk: _Desk, group: str, always: bool) -> None:
        """State the GROUP only when it is asked for."""
        desk.directory.set_optional(group, not always, at=desk.now, by=_OPERATOR)

    @vo.command("add-parent")
    @click.argument("group")
    @click.argument("parent")
    @click.pass_obj
    def add_parent(desk: _Desk, group: str, parent: str) -> None:
        """Who is in GROUP shall be in PARENT, too. The name of GROUP stays."""
        desk.directory.add_parent(group, parent, at=desk.now, by=_OPERATOR)

    @vo.command("remove-parent")
    @click.argument("group")
    @click.argument("parent")
    @click.pass_obj
    def remove_parent(desk: _Desk, group: str, parent: str) -> None:
        """Take back add-parent."""
        desk.directory.remove_parent(group, parent, at=desk.now, by=_OPERATOR)

    @vo.command("set-inheritance")
    @click.argument("state", type=click.Choice(["on", "off"]))
    @click.pass_obj
    def set_inheritance(desk: _Desk, state: str) -> None:
        """Whether roles and attributes of a group go to the members of the groups below it."""
        desk.directory.set_inheritance(state == "on", at=desk.now, by=_OPERATOR)

    @vo.command("add-role")
    @click.argument("role")
    @click.pass_obj
    def add_role(desk: _Desk, role: str) -> None:
        """Make a ROLE, which can then be given in any group."""
        desk.directory.add_role(role, at=desk.now, by=_OPERATOR)

    @vo.command("add-member")
    @click.argument("certificate", type=_FILE)
    @click.option("--until", metavar="ISO_TIME", help="When it ends, for instance 2027-01-01T00:00:00Z.")
    @click.pass_obj
    def add_member(desk: _Desk, certificate: Path, until: str | None) -> None:
        """Make the person whose CERTIFICATE this is a member; prints her id."""
        names = _vouched_for(desk.settings, certificate)
        click.echo(desk.directory.add_member(names, at=desk.now, by=_OPERATOR, until=instant(until)))

    @vo.command("add-certificate")
    @_member
    @click.argument("certificate", type=_FILE)
    @click.pass_obj
    def add_certificate(desk: _Desk, member: str, certificate: Path) -> None:
        """Another CERTIFICATE of a member."""
        names = _vouched_for(desk.settings, certificate)
        desk.directory.add_certificate(desk.member(member), names, at=desk.now, by=_OPERATOR)

    @vo.command("link")
    @_member
    @click.argument("entity_id")
    @click.argument("attribute")
    @click.argument("value")
    @click.pass_obj
    def link(desk: _Desk, member: str, entity_id: str, attribute: str, value: str) -> None:
        """The member is also whom the home organisation ENTITY_ID names by ATTRIBUTE and VALUE (eduPersonPrincipalName ...)."""
        identity = FederatedIdentity(entity_id, attribute, value)
        desk.directory.link_identity(desk.member(member), identity, at=desk.now, by=_OPERATOR)

    @vo.command("join")
    @_member
    @click.argument("group")
    @when
    @click.pass_obj
    def join(desk: _Desk, member: str, group: str, holds: Holds) -> None:
        """Put a member into a GROUP, and so into those above it."""
        desk.directory.join(desk.member(member), group, at=desk.now, by=_OPERATOR, **holds.parts())

    @vo.command("leave")
    @_member
    @click.argument("group")
    @click.pass_obj
    def leave(desk: _Desk, member: str, group: str) -> None:
        """Take a member out of a GROUP, of those below it, and of her roles there."""
        desk.directory.leave(desk.member(member), group, at=desk.now, by=_OPERATOR)

    @vo.command("assign-role")
    @_member
    @click.argument("group")
    @click.argument("role")
    @when
    @click.pass_obj
    def assign_role(desk: _Desk, member: str, group: str, role: str, holds: Holds) -> None:
        """Give a member a ROLE in a GROUP."""
        whose = desk.member(member)
        desk.directory.assign_role(whose, group, role, at=desk.now, by=_OPERATOR, **holds.parts())

    @vo.command("dismiss-role")
    @_member
    @click.argument("group")
    @click.argument("role")
    @click.pass_obj
    def dismiss_role(desk: _Desk, member: str, group: str, role: str) -> None:
        """Take a ROLE in a GROUP away."""
        desk.directory.dismiss_role(desk.member(member), group, role, at=desk.now, by=_OPERATOR)

    @vo.command("set-attribute")
    @click.argument("name")
    @click.argument("value")
    @click.option("--member", metavar="CERTIFICATE_OR_ID")
    @click.option("--group")
    @click.option("--role", help="With --group: for those who have the role there.")
    @when
    @click.pass_obj
    def set_attribute(
        desk: _Desk, name: str, value: str, member: str | None, group: str | None, role: str | None, holds: Holds
    ) -> None:
        """A generic attribute (a capability, for instance) of a member, a group, or a role in a group."""
        if (member is None) == (group is None) or (role is not None and group is None):
            raise click.UsageError("give --member, or --group, or --group and --role")
        whose = desk.member(member) if member is not None else None
        of = {"member": whose, "group": group, "role": role}
        desk.directory.set_attribute(name, value, at=desk.now, by=_OPERATOR, **of, **holds.parts())

    @vo.command("suspend")
    @_member
    @click.argument("reason")
    @click.pass_obj
    def suspend(desk: _Desk, member: str, reason: str) -> None:
        """Give a member nothing any more, for a REASON that she is told."""
        desk.directory.suspend(desk.member(member), reason, at=desk.now, by=_OPERATOR)

    @vo.command("restore")
    @_member
    @click.pass_obj
    def restore(desk: _Desk, member: str) -> None:
        """Take back a suspension."""
        desk.directory.restore(desk.member(member), at=desk.now, by=_OPERATOR)

    @vo.command("remove-member")
    @_member
    @click.pass_obj
    def remove_member(desk: _Desk, member: str) -> None:
        """End a membership and all that goes with it."""
        desk.directory.remove_member(desk.member(member), at=desk.now, by=_OPERATOR)

    @vo.command("list-members")
    @click.pass_obj
    def list_members(desk: _Desk) -> None:
        """Everybody: id, names of the certificates, and whether she is suspended."""
        for listed in desk.memberships.listed():
            suspended = f"  suspended: {listed.suspended}" if listed.suspended else ""
            for names in listed.certificates:
                click.echo(
                    f"{listed.member}  {names.subject}  issued by {names.issuer}{_until_text(listed.ends)}{suspended}"
                )

    @vo.command("show")
    @_member
    @click.pass_obj
    def show(desk: _Desk, member: str) -> None:
        """What a member has now."""
        standing = desk.standing(member)
        click.echo(f"member {standing.member}" + (f", suspended: {standing.suspended}" if standing.suspended else ""))
        for listed in desk.memberships.listed(standing.member):
            for names in listed.certificates:
                click.echo(f"certificate {names.subject}, issued by {names.issuer}")
        for identity in desk.memberships.identities(standing.member):
            click.echo(f"known at {identity.asserted_by} by {identity.attribute} {identity.value}")
        for fqan in standing.fqans():
            end = standing.roles[fqan] if fqan.role is not None else standing.groups[fqan.group]
            optional = "  only when asked for" if fqan.role is None and fqan.group in standing.optional else ""
            click.echo(fqan.short() + _until_text(end) + optional)
        for value in standing.attributes:
            click.echo(f"{value.name} = {value.value}{_until_text(value.ends)}")
        for fqan, values in standing.group_attributes.items():
            for value in values:
                click.echo(f"{value.name} = {value.value} ({fqan.short()}){_until_text(value.ends)}")

    @vo.command("vomses")
    @click.pass_obj
    def vomses(desk: _Desk) -> None:
        """Print the line by which clients find this VO (for ~/.voms/vomses or /etc/vomses)."""
        settings, own = desk.settings, load_issuer_key(desk.settings.certificate, desk.settings.key)
        click.echo(VomsServer(settings.vo, settings.host, settings.port, own.subject, settings.vo).line())

    @vo.command("lsc")
    @click.pass_obj
    def lsc(desk: _Desk) -> None:
        """Print the LSC file by which relying parties trust this VO (vomsdir/VO/HOST.lsc)."""
        own = load_issuer_key(desk.settings.certificate, desk.settings.key)
        pairs = tuple(Names.of(each) for each in own.certificates)
        click.echo(write_lsc(Lsc((pairs,))), nl=False)

    return vo


def names_of_file(path: Path) -> CertificateNames:
    """Whom the first certificate of a PEM file names. Raises `ConfigurationError` (``voms.credential``)."""
    return CertificateNames.of(_certificate(path))


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError("voms.credential", file=path, expected="a certificate, PEM", found=error) from None


def _vouched_for(settings: VomsSettings, path: Path) -> CertificateNames:
    """The same for a new member. Raises `Refusal` (``voms.unknown_ca``): whom no CA of the directory vouches for could never connect."""
    certificate = _certificate(path)
    if not load_trust_directory(settings.ca_directory).named(issuer_bytes(certificate)):
        issuer = slash_form_of(issuer_bytes(certificate))
        raise Refusal("voms.unknown_ca", expected=f"a CA in {settings.ca_directory}", found=issuer, issuer=issuer)
    return CertificateNames.of(certificate)


def _until_text(end: End) -> str:
    return f"  until {end:%Y-%m-%dT%H:%M:%SZ}" if end is not None else ""
