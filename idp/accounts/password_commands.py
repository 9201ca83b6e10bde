"""``ostiary people``: passwords and one-time links, as operators give them out."""

from pathlib import Path

import click

from idp.accounts import links
from idp.accounts.desk import OPERATOR, Desk, given_password, keep_password, password_file
from idp.accounts.letters import RESET_PATH, mail_of
from ostiary.errors import Refusal


@click.command("set-password")
@click.argument("login_name")
@password_file
@keep_password
@click.pass_obj
def set_password(desk: Desk, login_name: str, password_file: Path | None, keep_password: bool) -> None:
    """Give a person another password, and end her sessions."""
    person = desk.person(login_name)
    password_hash = desk.accounts.checked_hash(given_password(password_file), desk.accounts.about(person))
    desk.directory.set_password(
        person.principal, password_hash, at=desk.clock.now(), by=OPERATOR, must_change=not keep_password
    )


@click.command("must-change")
@click.argument("login_name")
@click.pass_obj
def must_change(desk: Desk, login_name: str) -> None:
    """Let a person choose a new password before she gets anywhere with the present one."""
    desk.directory.require_new_password(desk.person(login_name).principal, at=desk.clock.now(), by=OPERATOR)


@click.command("reset-link")
@click.argument("login_name")
@click.option("--invite", is_flag=True, help="The letter for somebody new; its link is good for longer.")
@click.option(
    "--print", "print_", is_flag=True, help="Print the link instead of sending it. Whoever has it sets the password."
)
@click.pass_obj
def reset_link(desk: Desk, login_name: str, invite: bool, print_: bool) -> None:
    """Send a person a one-time link by which she chooses a password. It ends the one before."""
    person, now, accounts = desk.person(login_name), desk.clock.now(), desk.accounts
    if not person.active:
        raise Refusal("people.inactive", expected="somebody who may sign in", found="a disabled person")
    if print_:
        lifetime = accounts.links.invitation if invite else accounts.links.forgotten
        with desk.directory.change(at=now, by=OPERATOR) as change:
            token = links.issue_link(change, person.principal, lifetime=lifetime)
        click.echo(f"{desk.settings.public_url}{RESET_PATH}?token={token}")
        return
    if accounts.letters is None or mail_of(desk.directory.attributes(person.principal)) is None:
        raise Refusal("people.no_mail", expected="a mail address, and mail in the configuration", found="not both")
    accounts.send_link(person, "invitation" if invite else "reset", "en", at=now, by=OPERATOR)
