"""``ostiary people pending``, ``approve`` and ``reject``: what operators decide about those who registered."""

import click
from rich.markup import escape
from rich.table import Table

from idp.accounts import registrations
from idp.accounts.desk import OPERATOR, Desk, assigned, attribute_options, show
from idp.accounts.letters import Kind
from idp.accounts.registrations import Registration


@click.command("pending")
@click.pass_obj
def pending(desk: Desk) -> None:
    """Show who has registered and waits for approval."""
    now = desk.clock.now()
    with desk.directory.change(at=now, by=OPERATOR) as change:
        registrations.erase_expired(change)
        waiting = registrations.waiting(change.connection, now)
    table = Table("id", "who", "signs in by", "since, until")
    for entry in waiting:
        applicant = entry.applicant
        who = "\n".join(text for text in (applicant.mail, applicant.display_name, applicant.remark) if text)
        by = entry.certificate.subject if entry.certificate is not None else "password"
        when = "\n".join(f"{at:%Y-%m-%d %H:%M} UTC" for at in (entry.begun, entry.expires))
        table.add_row(entry.principal[:12], escape(who), escape(by), when)
    show(table)


@click.command("approve")
@click.argument("mail_or_id")
@click.option("--login-name", help="Her login name; without it, her mail address.")
@attribute_options
@click.pass_obj
def approve(desk: Desk, mail_or_id: str, login_name: str | None, assignments: tuple[str, ...]) -> None:
    """Make a person of somebody who registered, and tell her. Prints her principal."""
    attributes = {**desk.accounts.registration.attributes, **assigned(assignments)}
    with desk.directory.change(at=desk.clock.now(), by=OPERATOR) as change:
        found = registrations.waiting_one(change.connection, mail_or_id, change.at)
        chosen = login_name or found.applicant.mail
        registrations.approve(change, found, login_name=chosen, attributes=attributes)
    click.echo(found.principal)
    _tell(desk, found, "approved", login_name=chosen)


@click.command("reject")
@click.argument("mail_or_id")
@click.option("--silently", is_flag=True, help="Send no letter.")
@click.pass_obj
def reject(desk: Desk, mail_or_id: str, silently: bool) -> None:
    """End a registration, erase what it says, and tell whoever registered."""
    with desk.directory.change(at=desk.clock.now(), by=OPERATOR) as change:
        found = registrations.waiting_one(change.connection, mail_or_id, change.at)
        registrations.reject(change, found)
    if not silently:
        _tell(desk, found, "rejected")


def _tell(desk: Desk, entry: Registration, kind: Kind, **values: object) -> None:
    if desk.accounts.letters is not None:
        desk.accounts.letters.send(kind, entry.applicant.mail, entry.applicant.language, **values)
