"""An entity on the terminal: what it is called, what it may say, where messages go, and until when. Prints only."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from ostiary.command.metadata.entity_data import entity_data
from ostiary.command.metadata.pinning import in_pairs
from ostiary.command.metadata.said import Said
from ostiary.federation.model import Entity
from ostiary.web.log import one_line


def show_entity(entity: Entity, said: Said, now: datetime) -> None:
    """Everything that `entity_data` has, in the order in which people ask for it."""
    data = entity_data(entity)
    said.plain(data["name"], style="bold")
    roles = ", ".join(data["roles"]) or said.text("show.no_role")
    rows: list[tuple[str, str | Text]] = [
        (said.text("show.entity_id"), data["entity_id"]),
        (said.text("show.roles"), roles),
        (said.text("show.valid_until"), said.moment(entity.valid_until, now)),
    ]
    authority = data["registration"]["authority"]
    rows.append((said.text("show.registered_by"), authority or said.text("show.nobody")))
    if data["registration"]["instant"]:
        rows.append((said.text("show.registered_on"), data["registration"]["instant"][:10]))
    rows += _in_languages(said.text("show.policy"), data["registration"]["policies"])
    said.rows(rows)
    _attributes(data["entity_attributes"], said)
    for name, role in data["roles"].items():
        _role(name, role, said)
    _organization(data, said)


def _attributes(attributes: Mapping[str, list[str]], said: Said) -> None:
    if not attributes:
        return
    said.heading("show.entity_attributes")
    for name, values in attributes.items():
        said.plain(name, style="dim", indent=2)
        for value in values:
            said.plain(value, indent=4)


def _role(name: str, role: Mapping[str, Any], said: Said) -> None:
    said.heading("show.role", role=said.text(f"role.{name.lower()}"))
    display = role["display"]
    rows: list[tuple[str, str | Text]] = []
    for key in ("names", "descriptions", "keywords", "information_urls", "privacy_statement_urls"):
        rows += _in_languages(said.text(f"show.{key}"), display[key])
    rows += [(said.text("show.logo"), f"{one['url']} ({one['width']} x {one['height']})") for one in display["logos"]]
    hints = [*display["domain_hints"], *display["ip_hints"], *display["geolocation_hints"]]
    if hints:
        rows.append((said.text("show.hints"), ", ".join(hints)))
    for scope in role.get("scopes", ()):
        told = scope["scope"] + (f" ({said.text('show.regexp')})" if scope["regexp"] else "")
        rows.append((said.text("show.scope"), Text(one_line(told), style="bold")))
    if role.get("error_url"):
        rows.append((said.text("show.error_url"), role["error_url"]))
    signing = [
        key
        for key in ("want_authn_requests_signed", "authn_requests_signed", "want_assertions_signed")
        if role.get(key)
    ]
    rows += [(said.text("show.signing"), said.text(f"show.{key}")) for key in signing]
    formats = ", ".join(one.rsplit(":", 1)[-1] for one in role["nameid_formats"])
    if formats:
        rows.append((said.text("show.nameid_format"), formats))
    said.rows(rows)
    _endpoints(role["endpoints"], said)
    _keys(role["keys"], said)
    _requests(role.get("requests", ()), said)


def _endpoints(endpoints: list[Mapping[str, Any]], said: Said) -> None:
    if not endpoints:
        return
    said.line("show.endpoints", style="underline", indent=2)
    for one in endpoints:
        index = f" {one['index']}" if one["index"] is not None else ""
        default = f", {said.text('show.default')}" if one["default"] else ""
        said.plain(f"{one['kind']}{index}  {one['binding'].rsplit(':', 1)[-1]}{default}", indent=4)
        said.plain(one["location"], indent=6)
        if one["response_location"]:
            said.line("show.answers_to", indent=6, style="dim", location=one["response_location"])


def _keys(keys: list[Mapping[str, Any]], said: Said) -> None:
    said.line("show.keys" if keys else "show.no_keys", style="underline", indent=2)
    for one in keys:
        use = said.text(f"show.use.{one['use'] or 'both'}")
        certificate = one.get("certificate")
        said.plain(f"{use}, {certificate['key'] if certificate else said.text('show.bare_key')}", indent=4)
        if certificate is not None:
            said.line("show.certificate_sha256", indent=6, digest=in_pairs(certificate["sha256"]))
            dates = {"start": certificate["not_before"][:10], "end": certificate["not_after"][:10]}
            said.line("show.certificate_dates", indent=6, style="dim", subject=certificate["subject"], **dates)
        else:
            said.line("show.key_sha256", indent=6, digest=in_pairs(one["key_sha256"]))


def _requests(services: list[Mapping[str, Any]], said: Said) -> None:
    for service in services:
        named = next(iter(service["names"].values()), "")
        said.line("show.requests", style="underline", indent=2, name=named, index=service["index"])
        for one in service["attributes"]:
            told = one["friendly_name"] or one["name"]
            required = f" ({said.text('show.required')})" if one["required"] else ""
            values = f" = {', '.join(one['values'])}" if one["values"] else ""
            said.plain(f"{told}{required}{values}", indent=4)


def _organization(data: Mapping[str, Any], said: Said) -> None:
    organization = data["organization"]
    rows = _in_languages(said.text("show.organization"), organization["display_names"] or organization["names"])
    rows += _in_languages(said.text("show.page"), organization["urls"])
    for one in data["contacts"]:
        kind = said.text("show.security") if one["security"] else one["type"]
        parts = (one["name"], one["company"], *one["emails"], *one["telephones"])
        rows.append((said.text("show.contact", kind=kind), ", ".join(part for part in parts if part)))
    if rows:
        said.heading("show.people")
        said.rows(rows)


def _in_languages(label: str, texts: Mapping[str, str]) -> list[tuple[str, str | Text]]:
    return [(f"{label} ({lang or '-'})", text) for lang, text in texts.items()]
