"""The configuration of requests: what it is without a word, and what the page about members writes."""

from datetime import timedelta
from pathlib import Path

import yaml

from tests.docs.test_documents_work_as_written import blocks
from voms.requests.settings import RequestsSettings


def test_the_page_tells_the_defaults() -> None:
    [text] = [text for text in blocks("docs/voms-members.md", "yaml") if text.startswith("requests:")]
    told = RequestsSettings.model_validate(yaml.safe_load(text)["requests"])
    assert told.tell == ("managers@example.org",)
    assert told.model_copy(update={"tell": ()}) == RequestsSettings()


def test_applications_are_open_and_nothing_waits_for_ever() -> None:
    found = RequestsSettings()
    assert found.joining == "open"
    assert found.membership_lasts is None
    waits = (found.confirm_within, found.decide_within, found.invitation_lasts, found.remind_every, found.keep_ended)
    assert waits == tuple(timedelta(days=days) for days in (3, 60, 14, 7, 180))


def test_the_page_names_every_setting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "voms-members.md").read_text()
    assert [name for name in RequestsSettings.model_fields if name not in page] == []
