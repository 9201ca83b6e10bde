"""``ostiary vo``: the VO itself, and what its users and relying parties have to be given."""

from typing import Final

import click

from ostiary.x509.issuer_key import load_issuer_key
from ostiary.x509.lsc import write_lsc
from ostiary.x509.names import slash_form_of
from ostiary.x509.trust import load_trust_directory
from ostiary.x509.vomses import VomsServer
from voms.browsing import count_members, list_groups, list_roles
from voms.commands.working import VoCommand, Working, answer, pages
from voms.directory import create_vo
from voms.renewal import load_issuer, next_subject

_OPERATOR: Final = "operator"


@click.command("create", cls=VoCommand)
@click.option("--no-inheritance", is_flag=True, help="What a group gives stays there, as in the original VOMS.")
@click.pass_obj
def create(working: Working, no_inheritance: bool) -> None:
    """Make the VO that the configuration names, with its root group and the role VO-Admin."""
    # Better now than when the service is started.
    load_issuer_key(working.settings.certificate, working.settings.key)
    create_vo(working.engine, working.vo, at=working.now, by=_OPERATOR, inherits=not no_inheritance)
    answer({"vo": working.vo}, [f"The VO {working.vo} is there."])


@click.command("set-inheritance", cls=VoCommand)
@click.argument("state", type=click.Choice(["on", "off"]))
@click.pass_obj
def set_inheritance(working: Working, state: str) -> None:
    """Whether roles and attributes of a group go to the members of the groups below it."""
    working.desk.set_inheritance(state == "on")
    answer({"inherits": state == "on"})


@click.command("stats", cls=VoCommand)
@click.pass_obj
def stats(working: Working) -> None:
    """The VO's name, and how many members (by state), groups and roles it has."""
    engine, vo = working.engine, working.vo
    members = count_members(engine, vo, at=working.now)
    groups = sum(1 for _ in pages(lambda after: list_groups(engine, vo, after=after, most=500)))
    roles = sum(1 for _ in pages(lambda after: list_roles(engine, vo, after=after, most=500)))
    facts = {"vo": vo, "members": dict(members), "groups": groups, "roles": roles}
    counted = (f"members, {state}: {number}" for state, number in members.items())
    answer(facts, [f"VO: {vo}", *counted, f"groups: {groups}", f"roles: {roles}"])


@click.command("list-cas", cls=VoCommand)
@click.pass_obj
def cas(working: Working) -> None:
    """The certification authorities whose people may be members."""
    found = [slash_form_of(each.subject) for each in load_trust_directory(working.settings.ca_directory).authorities]
    answer([{"subject": name} for name in found], found)


@click.command("vomses", cls=VoCommand)
@click.option("--next", "upcoming", is_flag=True, help="With the name of the next certificate.")
@click.pass_obj
def vomses(working: Working, upcoming: bool) -> None:
    """Print the line by which clients find this VO (for ~/.voms/vomses or /etc/vomses)."""
    settings = working.settings
    subject = next_subject(settings) if upcoming else load_issuer(settings).key.subject
    server = VomsServer(settings.vo, settings.host, settings.port, subject, settings.vo)
    facts = {"vo": server.vo, "host": server.host, "port": server.port, "subject": subject, "line": server.line()}
    answer(facts, [server.line()])


@click.command("lsc", cls=VoCommand)
@click.pass_obj
def lsc(working: Working) -> None:
    """Print the LSC file by which relying parties trust this VO (vomsdir/VO/HOST.lsc), with the next and the previous certificate, too."""
    text = write_lsc(load_issuer(working.settings).lsc())
    answer({"file": f"{working.vo}/{working.settings.host}.lsc", "text": text}, text.splitlines())


COMMANDS: Final = (create, set_inheritance, stats, cas, vomses, lsc)
