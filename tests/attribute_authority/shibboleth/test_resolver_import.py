"""attribute-resolver.xml: connectors and definitions that the Attribute Authority takes, what is listed, and what is no such file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from attribute_authority.resolver.definition_settings import DefinitionSettings, definitions_of
from attribute_authority.resolver.definitions import in_order, make_attributes
from attribute_authority.resolver.settings import ResolverSettings
from attribute_authority.shibboleth.import_resolver import ImportedResolver, import_resolver
from ostiary.config import load_settings
from ostiary.errors import ConfigurationError

FIXTURES = Path(__file__).parent / "fixtures"
FILE = Path("attribute-resolver.xml")
PROPERTIES = {"idp.scope": "uni.example"}
LDAP = """\
servers: [ldap://localhost]
base_dn: ou=people,dc=uni,dc=example
"""


def resolver(parts: str) -> bytes:
    return (
        '<AttributeResolver xmlns="urn:mace:shibboleth:2.0:resolver"'
        f' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n{parts}\n</AttributeResolver>'
    ).encode()


STATIC = '<DataConnector xsi:type="Static" id="s"><Attribute id="a"><Value>1</Value></Attribute></DataConnector>'


def definition(type_: str, inside: str = "", **attributes: str) -> str:
    written = "".join(f' {name}="{value}"' for name, value in attributes.items())
    source = '<InputDataConnector ref="s" attributeNames="a"/>'
    return f'<AttributeDefinition xsi:type="{type_}" id="mail"{written}>{source}{inside}</AttributeDefinition>'


def imported(document: bytes) -> ImportedResolver:
    return import_resolver(document, FILE, PROPERTIES)


def section(found: ImportedResolver) -> dict[str, Any]:
    return yaml.safe_load(found.document)["resolver"]


def left_out(found: ImportedResolver) -> list[tuple[str, str]]:
    return [(remark.id, remark.reason) for remark in found.remarks if remark.effect == "left_out"]


@pytest.mark.parametrize(("name", "made"), [("attribute-resolver.xml", (3, 10)), ("attribute-resolver-v2.xml", (1, 2))])
def test_the_attribute_authority_takes_what_becomes_of_a_file(name: str, made: tuple[int, int], tmp_path: Path) -> None:
    found = imported((FIXTURES / name).read_bytes())

    assert (found.connectors, found.definitions) == made
    (tmp_path / "ldap.yaml").write_text(LDAP)
    (tmp_path / "resolver.yaml").write_text(yaml.safe_dump(section(found)))
    settings = load_settings(tmp_path / "resolver.yaml", ResolverSettings)
    assert len(settings.connectors) == made[0]


def test_definitions_make_of_values_what_the_file_says() -> None:
    found = imported((FIXTURES / "attribute-resolver.xml").read_bytes())
    definitions = definitions_of(
        [DefinitionSettings.model_validate(one) for one in section(found)["definitions"]], connector_names=None
    )
    known = {
        "uid": ["jdoe"],
        "mail": ["jane@mail.uni.example"],
        "sn": ["Doe"],
        "givenName": ["Jane"],
        "employeeType": ["student", "PROF-phys", "guest"],
        "eppn": ["jdoe@uni.example"],
        "number": ["4711"],
        "schacHomeOrganization": ["uni.example"],
    }

    made = make_attributes(in_order(definitions), [known], issuer="i", at=datetime(2026, 11, 22, tzinfo=UTC))

    assert {attribute.name: attribute.texts() for attribute in made.attributes} == {
        "uid": ("jdoe",),
        "mail": ("jane@mail.uni.example",),
        "sn": ("Doe",),
        "displayName": ("Jane Doe",),
        "eduPersonAffiliation": ("member", "student", "affiliate"),
        "eduPersonScopedAffiliation": ("member@uni.example", "student@uni.example", "affiliate@uni.example"),
        "eduPersonPrincipalName": ("jdoe@uni.example",),
        "cardNumber": ("4711",),
        "schacHomeOrganization": ("uni.example",),
    }


def test_what_is_left_out_is_listed_by_line() -> None:
    found = imported((FIXTURES / "attribute-resolver.xml").read_bytes())

    assert [(remark.line, remark.id, remark.reason) for remark in found.remarks if remark.effect == "left_out"] == [
        (65, "eduPersonEntitlement", "script"),
        (70, "isMemberOf", "needs"),
        (74, "preferredLanguage", "condition"),
        (78, "eduPersonTargetedID", "name_id"),
        (106, "computed", "computed_id"),
    ]
    assert [remark.reason for remark in found.remarks if remark.effect == "look_at"] == [
        "default_without_values",
        "ldap_file",
        "ldap_filter",
        "sql_principal",
    ]


def test_no_secret_is_taken_over_or_listed() -> None:
    properties = {
        **PROPERTIES,
        "idp.ldap.password": "sesame",
        "idp.cards.password": "sesame",
        "idp.persistentId.salt": "sesame",
    }

    found = import_resolver((FIXTURES / "attribute-resolver.xml").read_bytes(), FILE, properties)

    assert "sesame" not in found.document
    assert not any("sesame" in remark.detail for remark in found.remarks)


def test_names_and_scopes_are_known_to_the_filter() -> None:
    ids = imported((FIXTURES / "attribute-resolver.xml").read_bytes()).ids

    assert (ids.name("surname"), ids.name("mail")) == ("sn", "mail")
    assert ids.has_scope("eduPersonScopedAffiliation") is True
    assert ids.has_scope("cardNumber") is False
    assert ids.has_scope("eduPersonEntitlement") is False
    assert ids.has_scope("somethingElse") is None


def test_attributes_of_two_connectors_stay_apart() -> None:
    other = STATIC.replace('id="s"', 'id="t"')
    both = '<InputDataConnector ref="t" attributeNames="a"/>'

    found = section(imported(resolver(STATIC + other + definition("Simple", both))))

    assert [one["everybody"] for one in found["connectors"]] == [{"s.a": ["1"]}, {"t.a": ["1"]}]
    assert found["definitions"] == [{"attribute": "mail", "from": ["s.a", "t.a"]}]


def test_what_a_definition_makes_of_a_value_is_not_taken_for_what_a_connector_calls_the_same() -> None:
    named = STATIC.replace('id="a"', 'id="mail"')
    source = '<InputDataConnector ref="s" attributeNames="mail"/></AttributeDefinition>'
    scoped = f'<AttributeDefinition xsi:type="Scoped" id="mail" scope="x.example">{source}'
    plain = f'<AttributeDefinition xsi:type="Simple" id="uid">{source}'

    found = section(imported(resolver(named + scoped + plain)))

    assert found["connectors"][0]["everybody"] == {"s.mail": ["1"]}
    assert [one["from"] for one in found["definitions"]] == ["s.mail", "s.mail"]


SQL = """<DataConnector xsi:type="RelationalDatabase" id="s"><SimpleManagedConnection jdbcURL="{url}"/>
<QueryTemplate>{query}</QueryTemplate><Column columnName="c" attributeID="a"/></DataConnector>"""


def test_the_principal_of_a_query_becomes_a_bound_parameter() -> None:
    query = "SELECT c, t::text FROM p WHERE u='${resolutionContext.principal}'"

    connector = section(imported(resolver(SQL.format(url="jdbc:mysql://h/d?x=y", query=query) + definition("Simple"))))

    assert connector["connectors"] == [
        {
            "type": "sql",
            "name": "s",
            "database": {"url": "mariadb+pymysql://h/d"},
            "query": r"SELECT c, t\:\:text FROM p WHERE u=:principal",
            "columns": {"c": "a"},
        }
    ]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT c FROM p WHERE u='$resolutionContext.principal' AND d='$department.get(0)'",
        "#if($x) SELECT c FROM p WHERE u='$resolutionContext.principal' #end",
        "SELECT c FROM p",
        "CALL f('$resolutionContext.principal')",
        "",
    ],
)
def test_a_query_that_can_not_be_bound_is_left_out_with_what_needs_it(query: str) -> None:
    found = imported(resolver(SQL.format(url="jdbc:postgresql://h/d", query=query) + definition("Simple")))

    assert section(found) == {"connectors": [], "definitions": []}
    assert left_out(found) == [("mail", "needs"), ("s", "query")] or left_out(found) == [
        ("s", "query"),
        ("mail", "needs"),
    ]


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (definition("Simple", relyingParties="https://sp.example"), "condition"),
        (definition("ContextDerivedAttribute"), "definition_type"),
        (definition("PrincipalName"), "principal"),
        (definition("Scoped", scope="%{unknown}"), "property"),
        (definition("Scoped", scope="not a scope"), "scope"),
        (definition("Prescoped", scopeDelimiter="/"), "scope_delimiter"),
        (definition("RegexSplit", regex="(a)(b)"), "regex"),
        (definition("RegexSplit", regex="(?=a)(b)"), "regex"),
        (definition("RegexSplit", regex="(a)", caseSensitive="false"), "regex"),
        (definition("Template", "<Template>$a.toUpperCase()</Template>"), "template"),
        (definition("Template", "<Template>#set($x=1)$a</Template>"), "template"),
        (definition("Template", "<Template>${b}</Template>"), "template"),
        (
            definition("Mapped", "<ValueMap><ReturnValue>$1</ReturnValue><SourceValue>(.)</SourceValue></ValueMap>"),
            "map",
        ),
        (definition("Mapped"), "map"),
        (definition("Mapped", "<ValueMap><SourceValue>a</SourceValue></ValueMap>"), "map"),
        (
            definition("Mapped", "<ValueMap><ReturnValue>%{no}</ReturnValue><SourceValue>a</SourceValue></ValueMap>"),
            "property",
        ),
        (definition("RegexSplit", regex="(%{no})"), "property"),
        (
            definition("Mapped", "<ValueMap><ReturnValue>b</ReturnValue><SourceValue>(?!a)</SourceValue></ValueMap>"),
            "regex",
        ),
    ],
)
def test_a_definition_that_can_not_mean_the_same_is_left_out(part: str, reason: str) -> None:
    found = imported(resolver(STATIC + part))

    assert section(found)["definitions"] == []
    assert left_out(found)[-1] == ("mail", reason)


def test_attributes_that_a_connector_exports_need_no_definition() -> None:
    exporting = STATIC.replace('id="s">', 'id="s" exportAttributes="a mail s">')

    found = imported(resolver(exporting + definition("Simple")))

    assert section(found)["definitions"] == [{"attribute": "mail", "from": "a"}, {"attribute": "a"}]
    assert [(remark.reason, remark.type, remark.id) for remark in found.remarks] == [
        ("element", "exportAttributes s", ""),
        ("no_wire_name", "Simple", "a"),
    ]


def test_names_of_attributes_may_be_properties() -> None:
    named = definition("Simple").replace('attributeNames="a"', 'attributeNames="%{the.name}"')

    known = import_resolver(resolver(STATIC + named), FILE, {"the.name": "a"})

    assert section(known)["definitions"] == [{"attribute": "mail", "from": "a"}]
    assert ("mail", "needs") in left_out(imported(resolver(STATIC + named)))


def test_binary_attributes_of_a_directory_stay_binary() -> None:
    directory = '<DataConnector xsi:type="LDAPDirectory" id="s"><BinaryAttributes>objectSid a</BinaryAttributes></DataConnector>'

    connector = section(imported(resolver(directory + definition("Simple"))))["connectors"][0]

    assert (connector["attributes"], connector["binary"]) == (["a"], ["a"])


def test_a_connector_that_stands_in_is_listed() -> None:
    failing = STATIC.replace("</DataConnector>", '<FailoverDataConnector ref="t"/></DataConnector>')

    found = imported(resolver(failing + definition("Simple")))

    assert [(remark.reason, remark.detail) for remark in found.remarks] == [("failover", "t")]


def test_values_are_mapped_whole_in_part_and_without_case() -> None:
    maps = (
        "<DefaultValue passThru='true'/><ValueMap><ReturnValue>x</ReturnValue><SourceValue>a b</SourceValue>"
        "<SourceValue partialMatch='true'>c.d</SourceValue><SourceValue ignoreCase='true' partialMatch='true'>e</SourceValue></ValueMap>"
    )

    found = section(imported(resolver(STATIC + definition("Mapped", maps))))["definitions"]

    assert found == [
        {
            "attribute": "mail",
            "from": "a",
            "map": {
                "table": {"a b": "x"},
                "patterns": [
                    {"pattern": r"[\s\S]*c\.d[\s\S]*", "to": "x"},
                    {"pattern": r"[\s\S]*[Ee][\s\S]*", "to": "x"},
                ],
                "otherwise": "keep",
            },
        }
    ]


def test_a_long_chain_of_definitions_is_refused() -> None:
    chain = "".join(
        f'<AttributeDefinition xsi:type="Simple" id="d{number}"><InputAttributeDefinition ref="d{number + 1}"/>'
        "</AttributeDefinition>"
        for number in range(200)
    )

    with pytest.raises(ConfigurationError) as refused:
        imported(resolver(f'{chain}<AttributeDefinition xsi:type="Simple" id="d200"/>'))

    assert refused.value.code == "aa.shibboleth_nesting"


@pytest.mark.parametrize(
    ("document", "code", "line"),
    [
        (b"<!DOCTYPE a><a/>", "xml.doctype", 1),
        (resolver("").replace(b"AttributeResolver", b"AttributeFilter"), "aa.shibboleth_root", 1),
        (resolver("<DataConnector id='x'/>"), "aa.shibboleth_missing", 2),
        (resolver("<DataConnector xsi:type='Static'/>"), "aa.shibboleth_missing", 2),
        (resolver("<DataConnector xsi:type='dc:Static' id='x'/>"), "aa.shibboleth_type", 2),
        (resolver(f"{STATIC}\n{STATIC}"), "aa.shibboleth_duplicate", 3),
        (resolver(f"\n{definition('Simple')}"), "aa.shibboleth_reference", 3),
        (
            resolver(
                f"{STATIC}\n{definition('Simple', '<InputAttributeDefinition ref=&quot;mail&quot;/>'.replace('&quot;', chr(34)))}"
            ),
            "aa.shibboleth_circle",
            3,
        ),
        (resolver(STATIC + definition("Simple", dependencyOnly="maybe")), "aa.shibboleth_value", 2),
    ],
)
def test_what_is_no_such_file_is_refused_by_line(document: bytes, code: str, line: int) -> None:
    with pytest.raises(ConfigurationError) as refused:
        imported(document)

    assert (refused.value.code, refused.value.line) == (code, line)
