"""What a resource, the log and the audit are told when a required connector fails: a status, the connector's name, and no value."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from ostiary.errors import Unavailable
from ostiary.saml import names
from ostiary.saml.bindings import decode_soap
from ostiary.saml.validate import verify_response
from tests.attribute_authority.query_home import (
    AFFILIATION,
    HOME_SIGNER,
    LIBRARY,
    REGISTRY,
    Home,
    envelope,
    prepared,
    query,
    texts,
)


class FailingHome(Home):
    """Its one connector, ``people``, is required."""

    problem: Unavailable | None = None

    def attributes(self, principal: str, at: datetime) -> Mapping[str, Sequence[str]]:
        if self.problem is not None:
            raise self.problem
        return super().attributes(principal, at)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FailingHome]:
    engine = prepared(tmp_path)
    yield FailingHome(tmp_path, engine, REGISTRY)
    engine.dispose()


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Unavailable("ldap.down", expected="a server", found="connection refused"), "ldap.down"),
        (Unavailable("aa.connector_slow", expected="an answer within 2 s", found="none"), "aa.connector_slow"),
        (Unavailable("aa.connector_value", expected="text in mail", found="bytes"), "aa.connector_value"),
        (Unavailable("aa.connector_too_many_rows", expected="at most 1000 rows", found="more"), "aa.connector_too_many_rows"),
        (Unavailable("aa.connector_groups", expected="at most 500 groups", found="more"), "aa.connector_groups"),
    ],
)  # fmt: skip
def test_a_query_fails_clearly_and_the_connector_is_named_in_log_and_audit(
    home: FailingHome, problem: Unavailable, code: str
) -> None:
    home.problem = problem
    answer = home.post(envelope(query()))
    assert answer.status_code == 200
    proven = verify_response(decode_soap(answer.data), [HOME_SIGNER.public])
    assert proven.signed_response
    assert f'Value="{names.RESPONDER}"' in answer.text
    assert "Assertion" not in answer.text
    # Who asks is not told which of the organisation's systems has trouble.
    assert "people" not in answer.text
    assert home.recorded() == []
    assert home.recorded("attributes.refused") == [
        (None, {"requester": LIBRARY, "query": "_q1", "code": code, "connector": "people"})
    ]
    log = home.stream.getvalue()
    assert f'"code": "{code}"' in log
    assert "(connector people)" in log
    assert "@uni.example" not in log
    home.problem = None
    again = query(id="_q2")
    assert texts(home.post(envelope(again)), again) == AFFILIATION
