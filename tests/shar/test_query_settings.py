"""What may be configured about attribute queries at a resource, and what each mistake is called."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from ostiary.clock import SystemClock
from ostiary.command.certificate_subjects import certificate_subjects
from ostiary.command.named_people import external_names, principal_names
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_engine
from ostiary.web.log import make_log
from sp_shire.applications import domains_of
from sp_shire.settings import ShireSettings
from sp_shire.shar.settings import DownSettings
from tests.resource_settings import wiki_settings
from tests.simulator import configure

Load = Callable[..., ShireSettings]
ASKED = {"authority": "https://vo.example/aa", "subject": "eduPersonPrincipalName"}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return partial(wiki_settings, tmp_path)


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        ({"attributes_from": "push"}, "config.wrong_value", "attributes_from"),
        ({"when_authority_is_down": "hope"}, "config.wrong_value", "when_authority_is_down"),
        ({"when_authority_is_down": {"login": "hope"}}, "config.wrong_value", "when_authority_is_down"),
        ({"query_attributes": "requested"}, "sp.nothing_requested", "query_attributes"),
        # A query that names none asks for all.
        (
            {
                "query_attributes": "requested",
                "requested_attributes": [{"name": "mail"}],
                "applications": [{"name": "maps", "path": "/maps", "requested_attributes": []}],
            },
            "sp.nothing_requested",
            "query_attributes",
        ),
        ({"query": {"retries": 4}}, "config.wrong_value", "query.retries"),
        ({"query": {"breaker": {"failures": 0}}}, "config.wrong_value", "query.breaker.failures"),
        ({"query": {"timeout": "5s"}, "query_timeout": "5s"}, "config.one_of", "query_timeout"),
        ({"aggregation": [{**ASKED, "subject": "mail"}]}, "sp.aggregation_format", "aggregation[0]"),
        ({"aggregation": [ASKED, ASKED]}, "sp.aggregation_twice", "aggregation[1].authority"),
        (
            {"aggregation": [{**ASKED, "authority": f"https://{n}.example"} for n in range(11)]},
            "config.wrong_value",
            "aggregation",
        ),
        ({"status": {"addresses": ["everybody"]}}, "config.network", "status.addresses[0]"),
    ],
)
def test_a_mistake_is_named_with_its_key(load: Load, changes: dict[str, Any], code: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(**changes)
    assert refused.value.code == code
    assert refused.value.key.startswith(key)


def test_the_older_name_of_the_time_limit_works(load: Load) -> None:
    assert load().query_time == timedelta(seconds=5)
    assert load(query_timeout="8s").query_time == timedelta(seconds=8)
    assert load(query_timeout="8s", query={"retries": 0}).query_time == timedelta(seconds=8)
    assert load(query={"timeout": "3s"}).query_time == timedelta(seconds=3)


def test_one_word_is_for_logins_and_renewals(load: Load) -> None:
    assert load().down == DownSettings(login="refuse", renewal="go_on")
    assert load(when_authority_is_down="refuse").down == DownSettings(login="refuse", renewal="refuse")
    assert load(when_authority_is_down={"login": "go_on"}).down == DownSettings(login="go_on", renewal="go_on")


def test_queries_name_what_is_requested_only_where_they_are_told_to(load: Load) -> None:
    requested = [{"name": "mail"}, {"name": "isMemberOf", "required": True}]
    assert load(requested_attributes=requested).queried_names == ()
    named = load(requested_attributes=requested, query_attributes="requested")
    assert named.queried_names == ("mail", "isMemberOf")


@pytest.mark.parametrize(
    ("key", "named_by"),
    [
        ("principal_names", principal_names),
        ("external_names", lambda *given: external_names(*given, make_log(SystemClock(), service="test"))),
        ("certificate_names", certificate_subjects),
    ],
)
def test_names_of_people_need_the_embedded_directory(state: Path, key: str, named_by: Callable[..., object]) -> None:
    config = state / "northgate" / "aa.yaml"
    rules = {"rules": [{"pattern": "CN=(?P<name>.*)"}]} if key == "certificate_names" else {}
    configure(config, **{key: {"requesters": ["https://wiki.example.org/shar"], **rules}})
    embedded = load_settings(config, AttributeAuthoritySettings)
    in_ldap = embedded.model_copy(update={"people": LdapPeopleSettings.model_construct(type="ldap")})
    engine = open_engine("sqlite://")
    assert named_by(config, embedded, engine) is not None
    with pytest.raises(ConfigurationError, match=r"aa\.embedded_people") as refused:
        named_by(config, in_ldap, engine)
    assert refused.value.key == key
    assert named_by(config, in_ldap.model_copy(update={key: None}), engine) is None
    engine.dispose()


def test_each_application_domain_may_have_its_own(load: Load) -> None:
    strict = {"name": "strict", "path": "/strict", "when_authority_is_down": "refuse", "aggregation": [ASKED]}
    loose = {"name": "loose", "path": "/loose"}
    settings = load(applications=[strict, loose], when_authority_is_down="go_on")
    first, second = domains_of(settings)
    assert (first.down.renewal, second.down.renewal) == ("refuse", "go_on")
    assert ([one.authority for one in first.aggregation], second.aggregation) == (["https://vo.example/aa"], ())
