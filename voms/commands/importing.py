"""``ostiary vo import``: a VO as a VOMS-Admin database holds it, taken over into an empty one; or what would become of it."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_database
from ostiary.web.texts import SOURCE_LANGUAGE, Catalogue
from ostiary.x509.trust import load_trust_directory
from voms.commands.working import FILE, VoCommand, Working, answer
from voms.exchange.voms_admin_database import OldDatabase, read_old_vo
from voms.exchange.voms_admin_names import OldNames
from voms.exchange.voms_admin_plan import Kind, Remark
from voms.exchange.voms_admin_rows import OldVo
from voms.exchange.voms_admin_translation import Circumstances, translate
from voms.exchange.voms_admin_writing import bring_in, look_at
from voms.members.aup import MAXIMUM_TEXT

_TEXTS: Final = Path(__file__).parent.parent / "texts"
_SHOWN: Final = 20
"""Of one kind, in words; ``--json`` has all."""


@click.command("import", cls=VoCommand)
@click.argument("settings", metavar="SETTINGS", type=FILE)
@click.option("--policy-text", type=FILE, help="A file with the policy in force, where its address is of no use here.")
@click.option("--dry-run", is_flag=True, help="Try everything, keep nothing.")
@click.pass_obj
def import_(working: Working, settings: Path, policy_text: Path | None, dry_run: bool) -> None:
    """Take over a VO from VOMS-Admin 3.x into an empty one. The file SETTINGS (YAML) has the old database's url, password_file and
    time_zone."""
    here = look_at(working.engine, working.vo)
    old = _read(settings)
    trusted = load_trust_directory(working.settings.ca_directory).authorities
    circumstances = Circumstances(
        working.vo, working.now, timedelta(days=here.grace_days), _text(policy_text) if policy_text else None
    )
    translated = translate(old, OldNames(each.certificate for each in trusted), circumstances)
    bring_in(working.engine, working.vo, translated.plan, at=working.now, by="operator", dry_run=dry_run)
    remarks = translated.remarks
    if here.inherits:
        remarks = (Remark(Kind.CHANGED, "inheritance", working.vo), *remarks)
    _tell(old, translated.plan.counts(), remarks, written=not dry_run)


def _read(settings: Path) -> OldVo:
    where = load_settings(settings, OldDatabase)
    engine = open_database(where)
    try:
        return read_old_vo(engine, where.time_zone)
    finally:
        engine.dispose()


def _text(file: Path) -> str:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError("voms.import_text", file=file, expected="a text in UTF-8", found=error) from None
    if not 0 < len(text) <= MAXIMUM_TEXT:
        raise ConfigurationError(
            "voms.import_text", file=file, expected=f"1 to {MAXIMUM_TEXT} characters", found=len(text)
        )
    return text


def _tell(old: OldVo, counts: dict[str, int], remarks: tuple[Remark, ...], *, written: bool) -> None:
    texts = Catalogue.load(_TEXTS)
    told: dict[tuple[Kind, str], list[str]] = defaultdict(list)
    for each in remarks:
        told[each.kind, each.code].append(each.what)
    facts: dict[str, Any] = {"written": written, "release": old.release, "taken": counts}
    for kind in Kind:
        facts[kind.value] = [
            {"code": code, "reason": texts.text(SOURCE_LANGUAGE, f"vo_import.{code}"), "what": what}
            for (found, code), what in told.items()
            if found is kind
        ]
    answer(facts, _lines(texts, facts))


def _lines(texts: Catalogue, facts: dict[str, Any]) -> Iterator[str]:
    yield texts.text(SOURCE_LANGUAGE, "vo_import.from", release=facts["release"])
    yield from (f"  {number:8}  {name.replace('_', ' ')}" for name, number in facts["taken"].items())
    for kind in Kind:
        if facts[kind.value]:
            yield texts.text(SOURCE_LANGUAGE, f"vo_import.heading_{kind.value}")
        for each in facts[kind.value]:
            yield f"  {each['reason']} ({len(each['what'])})"
            yield from (f"    {what}" for what in each["what"][:_SHOWN])
            if len(each["what"]) > _SHOWN:
                yield "    " + texts.text(SOURCE_LANGUAGE, "vo_import.more", more=len(each["what"]) - _SHOWN)
    yield texts.text(SOURCE_LANGUAGE, "vo_import.written" if facts["written"] else "vo_import.not_written")


COMMANDS: Final = (import_,)
