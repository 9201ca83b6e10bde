"""Whether somebody is still one of the people of the embedded directory, for whoever looks that up on the way."""

from sqlalchemy import ColumnElement, Select, select

from idp.tables import person


def active_of(principal: ColumnElement[str]) -> "Select[tuple[bool]]":
    """Selects whether the person with this principal is active; no row where there is none."""
    return select(person.c.active).where(person.c.principal == principal, person.c.valid_to.is_(None))
