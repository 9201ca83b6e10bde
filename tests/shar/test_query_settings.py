"""What may be configured about attribute queries at a resource, and what each mistake is called."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from attribute_authority.settings import AttributeAuthoritySettings, LdapPeopleSettings
from ostiary.command.principal_names import principal_names
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from ostiary.storage.engine import open_engine
from sp_shire.applications import domains_of
from sp_shire.settings import ShireSettings
from sp_shire.shar.settings import DownSettings
from tests.simulator import configure

Load = Callable[..., ShireSettings]
ASKED = {"authority": "https://vo.example/aa", "subject": "eduPersonPrincipalName"}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "keys").mkdir()

    def loaded(**changes: Any) -> ShireSettings:
        content = {
            "entity_id": "https://wiki.example.org/shar",
            "public_url": "https://wiki.example.org",
            "display": {"name": "Wiki"},
            "trust": {"keys": "keys", "metadata": []},
            "discovery_url": "https://wayf.example.org/discovery",
            "accept": ["accept.yaml"],
            "access": ["access.yaml"],
            **changes,
        }
        (tmp_path / "sp.yaml").write_text(yaml.safe_dump(content))
        return load_settings(tmp_path / "sp.yaml", ShireSettings)

    return loaded


@pytest.mark.parametrize(
    ("changes", "code", "key"),
    [
        ({"attributes_from": "push"}, "config.wrong_value", "attributes_from"),
        ({"when_authority_is_down": "hope"}, "config.wrong_value", "when_authority_is_down"),
        ({"when_authority_is_down": {"login": "hope"}}, "config.wrong_value", "when_authority_is_down"),
        ({"query_attributes": "requested"}, "sp.nothing_requested", "query_attributes"),
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


def test_principal_names_need_the_embedded_directory(state: Path) -> None:
    config = state / "northgate" / "aa.yaml"
    configure(config, principal_names={"requesters": ["https://wiki.example.org/shar"]})
    embedded = load_settings(config, AttributeAuthoritySettings)
    in_ldap = embedded.model_copy(update={"people": LdapPeopleSettings.model_construct(type="ldap")})
    engine = open_engine("sqlite://")
    assert principal_names(config, embedded, engine) is not None
    with pytest.raises(ConfigurationError, match=r"aa\.principal_names_people"):
        principal_names(config, in_ldap, engine)
    assert principal_names(config, in_ldap.model_copy(update={"principal_names": None}), engine) is None
    engine.dispose()


def test_each_application_domain_may_have_its_own(load: Load) -> None:
    strict = {"name": "strict", "path": "/strict", "when_authority_is_down": "refuse", "aggregation": [ASKED]}
    loose = {"name": "loose", "path": "/loose"}
    settings = load(applications=[strict, loose], when_authority_is_down="go_on")
    first, second = domains_of(settings)
    assert (first.down.renewal, second.down.renewal) == ("refuse", "go_on")
    assert ([one.authority for one in first.aggregation], second.aggregation) == (["https://vo.example/aa"], ())
