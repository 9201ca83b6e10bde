"""``ostiary vo``: who is a member, for how long, and whether she goes on."""

from dataclasses import fields
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from ostiary.x509.certificate_names import CertificateNames
from voms.browsing import MEMBER_STATES, FoundMember, MemberState, count_members, search_members
from voms.commands.certificate_files import vouched_for
from voms.commands.certificates import certificate_line
from voms.commands.working import FILE, MEMBER_ARGUMENT, VoCommand, Working, answer, pages, until_text
from voms.details import Details
from voms.directory import FederatedIdentity
from voms.exchange.written_names import written_name
from voms.grant_options import instant
from voms.standing import Standing

_UNTIL: Final = click.option("--until", metavar="ISO_TIME", help="When it ends, for instance 2027-01-01T00:00:00Z.")
_CODES: Final = click.Choice(["other", "security_incident"])


def _details(command: Any) -> Any:
    for field in reversed(fields(Details)):
        command = click.option(f"--{field.name.replace('_', '-')}", metavar="TEXT")(command)
    return command


@click.command("add-member", cls=VoCommand)
@click.argument("certificate", type=FILE, required=False)
@click.option("--names", nargs=2, metavar="SUBJECT ISSUER", help="Instead of a file: the names in the certificate.")
@click.option(
    "--identity",
    nargs=3,
    metavar="ENTITY_ID ATTRIBUTE VALUE",
    help="How her home organisation names her, beside it or alone.",
)
@click.option("--service", is_flag=True, help="A host or robot, which gets its credentials unattended.")
@_UNTIL
@_details
@click.pass_obj
def add_member(
    working: Working,
    /,
    certificate: Path | None,
    names: tuple[str, str] | None,
    identity: tuple[str, str, str] | None,
    service: bool,
    until: str | None,
    **details: str | None,
) -> None:
    """Make the person whose CERTIFICATE this is a member; prints her id."""
    known_by: list[CertificateNames | FederatedIdentity] = []
    if certificate is not None:
        known_by.append(vouched_for(working.settings, certificate))
    if names is not None:
        known_by.append(CertificateNames(*map(written_name, names)))
    if identity is not None:
        known_by.append(FederatedIdentity(*identity))
    if not known_by:
        raise click.UsageError("give a certificate, --names or --identity")
    told = {name: value for name, value in details.items() if value is not None}
    member = working.desk.add_member(
        *known_by,
        kind="service" if service else "person",
        until=instant(until),
        about=Details(**told) if told else None,
    )
    answer({"member": member}, [member])


@click.command("remove-member", cls=VoCommand)
@MEMBER_ARGUMENT
@click.pass_obj
def remove_member(working: Working, member: str) -> None:
    """End a membership and all that goes with it."""
    whose = working.member(member)
    working.desk.remove_member(whose)
    answer({"member": whose})


@click.command("set-details", cls=VoCommand)
@MEMBER_ARGUMENT
@_details
@click.pass_obj
def set_details(working: Working, /, member: str, **details: str | None) -> None:
    """Say who a member is; what is not given stays."""
    whose = working.member(member)
    desk = working.desk
    known = {field.name: getattr(desk.details(whose), field.name) for field in fields(Details)}
    told = {name: value for name, value in details.items() if value is not None}
    desk.set_details(whose, Details(**{**known, **told}))
    answer({"member": whose})


@click.command("set-end", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("until", metavar="ISO_TIME_OR_NEVER")
@click.pass_obj
def set_end(working: Working, member: str, until: str) -> None:
    """When a membership ends, for instance 2027-01-01T00:00:00Z; or never."""
    whose = working.member(member)
    end = instant(until) if until != "never" else None
    working.desk.set_end(whose, end)
    answer({"member": whose, "until": end})


@click.command("suspend", cls=VoCommand)
@MEMBER_ARGUMENT
@click.argument("reason")
@click.option(
    "--code", type=_CODES, default="other", show_default=True, help="For statistics, as in the original VOMS."
)
@click.pass_obj
def suspend(working: Working, member: str, reason: str, code: str) -> None:
    """Give a member nothing any more, for a REASON that she is told."""
    whose = working.member(member)
    working.desk.suspend(whose, reason, "security_incident" if code == "security_incident" else "other")
    answer({"member": whose, "reason": reason})


@click.command("restore", cls=VoCommand)
@click.argument("member", metavar="CERTIFICATE_OR_ID", required=False)
@click.option("--all", "everybody", is_flag=True, help="Everybody who is suspended.")
@click.pass_obj
def restore(working: Working, member: str | None, everybody: bool) -> None:
    """Take back a suspension."""
    if (member is None) != everybody:
        raise click.UsageError("give a member, or --all")
    if member is not None:
        restored = [working.member(member)]
        working.desk.restore(restored[0])
    else:
        restored = working.desk.restore_all()
    answer({"members": restored}, restored if everybody else ())


@click.command("list-members", cls=VoCommand)
@click.option("--search", default="", metavar="WORDS", help="In names, addresses and certificates.")
@click.option("--group", help="Who is in it, or in one below it.")
@click.option("--role", help="Who has it; with --group: there.")
@click.option("--state", type=click.Choice(MEMBER_STATES))
@click.pass_obj
def members(working: Working, search: str, group: str | None, role: str | None, state: MemberState | None) -> None:
    """Everybody, or whom the options mean: id, names of the certificates, and whether she is suspended."""
    found = _found(working, search, group, role, state)
    answer([_facts(each) for each in found], (line for each in found for line in _lines(each)))


@click.command("count-members", cls=VoCommand)
@click.option("--state", type=click.Choice(MEMBER_STATES), help="Only those.")
@click.pass_obj
def count(working: Working, state: MemberState | None) -> None:
    """How many members there are."""
    counted = count_members(working.engine, working.vo, at=working.now)
    number = counted[state] if state is not None else sum(counted.values())
    answer({"members": number}, [str(number)])


@click.command("show", cls=VoCommand)
@MEMBER_ARGUMENT
@click.pass_obj
def show(working: Working, member: str) -> None:
    """What a member has now."""
    standing = working.standing(member)
    desk = working.desk
    certificates = desk.certificates(standing.member)
    identities = working.memberships.identities(standing.member)
    details = desk.details(standing.member)
    facts = {
        "member": standing.member,
        "suspended": standing.suspended,
        "until": standing.ends,
        "details": {field.name: getattr(details, field.name) for field in fields(Details)},
        "certificates": [
            {"subject": each.names.subject, "issuer": each.names.issuer, "suspended": each.suspended}
            for each in certificates
        ],
        "identities": [
            {"asserted_by": each.asserted_by, "attribute": each.attribute, "value": each.value} for each in identities
        ],
        **_standing_facts(standing),
    }
    lines = [f"member {standing.member}" + (f", suspended: {standing.suspended}" if standing.suspended else "")]
    lines += [
        f"{field.name.replace('_', ' ')}: {value}"
        for field in fields(Details)
        if (value := getattr(details, field.name))
    ]
    lines += [certificate_line(each.names.subject, each.names.issuer, each.suspended) for each in certificates]
    lines += [f"known at {each.asserted_by} by {each.attribute} {each.value}" for each in identities]
    answer(facts, [*lines, *_standing_lines(standing)])


def _found(
    working: Working, search: str, group: str | None, role: str | None, state: MemberState | None
) -> list[FoundMember]:
    page = partial(
        search_members,
        working.engine,
        working.vo,
        search,
        at=working.now,
        group=group,
        role=role,
        state=state,
        most=500,
    )
    return list(pages(lambda after: page(after=after)))


def _facts(found: FoundMember) -> dict[str, Any]:
    return {
        "member": found.member,
        "kind": found.kind,
        "state": found.situation.state.value,
        "suspended": _refused(found),
        "until": found.ends,
        "details": {field.name: getattr(found.details, field.name) for field in fields(Details)},
        "certificates": [{"subject": each.subject, "issuer": each.issuer} for each in found.certificates],
    }


def _lines(found: FoundMember) -> list[str]:
    reason = _refused(found)
    after = until_text(found.ends) + (f"  suspended: {reason}" if reason is not None else "")
    if not found.certificates:
        return [f"{found.member}  {found.name}{after}"]
    return [f"{found.member}  {each.subject}  issued by {each.issuer}{after}" for each in found.certificates]


def _refused(found: FoundMember) -> str | None:
    """What she is told who gets nothing."""
    return None if found.situation.acts else found.situation.reason


def _ends(standing: Standing) -> list[tuple[str, datetime | None, bool]]:
    """Each name, when it ends, and whether it is stated only when asked for."""
    return [
        (fqan.short(), standing.roles[fqan], False)
        if fqan.role is not None
        else (fqan.group, standing.groups[fqan.group], fqan.group in standing.optional)
        for fqan in standing.fqans()
    ]


def _standing_facts(standing: Standing) -> dict[str, Any]:
    own = [{"name": each.name, "value": each.value, "until": each.ends} for each in standing.attributes]
    given = [
        {"name": each.name, "value": each.value, "until": each.ends, "fqan": fqan.short()}
        for fqan, values in standing.group_attributes.items()
        for each in values
    ]
    names = [{"fqan": name, "until": end, "optional": optional} for name, end, optional in _ends(standing)]
    return {"fqans": names, "attributes": [*own, *given]}


def _standing_lines(standing: Standing) -> list[str]:
    lines = [
        name + until_text(end) + ("  only when asked for" if optional else "")
        for name, end, optional in _ends(standing)
    ]
    lines += [f"{value.name} = {value.value}{until_text(value.ends)}" for value in standing.attributes]
    for fqan, values in standing.group_attributes.items():
        lines += [f"{value.name} = {value.value} ({fqan.short()}){until_text(value.ends)}" for value in values]
    return lines


COMMANDS: Final = (add_member, remove_member, set_details, set_end, suspend, restore, members, count, show)
