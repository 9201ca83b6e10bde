"""docs/metadata.md, metadata in: each configuration on the page is one that a service takes, and the sentences about defaults are true."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ostiary.federation.settings import MetadataUrlSettings, TrustSettings
from ostiary.federation.sources.schedule import LONGEST_RETRY
from ostiary.federation.sources.upkeep import FORGOTTEN_AFTER, LARGE
from tests.federation.entities import aggregate, single
from tests.metadata_sources.servers_that_misbehave import reply, serving
from tests.metadata_sources.trusting import Service, certificate, public_key
from tests.saml.world import IDP, NOW

PAGE = Path(__file__).parents[2] / "docs" / "metadata.md"
METADATA_IN = PAGE.read_text().partition("## Metadata in")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"^```yaml\n# sp\.yaml\n(.*?)^```$", METADATA_IN, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(7))
def test_every_configuration_on_the_page_works_as_written(number: int, tmp_path: Path) -> None:
    trust: dict[str, Any] = yaml.safe_load(BLOCKS[number])["trust"]
    assert len(BLOCKS) == 7
    for name in ("federation", "hospital"):
        (tmp_path / f"{name}.crt").write_bytes((tmp_path / certificate(tmp_path)).read_bytes())
        (tmp_path / f"{name}.xml").write_bytes(aggregate())
    (tmp_path / "partners.pub").write_bytes((tmp_path / public_key(tmp_path)).read_bytes())
    (tmp_path / "home.xml").write_bytes(single())
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "one.xml").write_bytes(single())
    with serving(reply(body=aggregate())) as server:
        for source in trust["metadata"]:
            if "url" in source:
                assert source["url"] == "https://metadata.federation.example/all.xml"
                source["url"] = server.url
        state = "state" if "state" in trust else None
        metadata = Service(tmp_path, trust["metadata"], state=state).open()
        assert len(metadata.reports()) == len(trust["metadata"])
        if all("mdq" not in source for source in trust["metadata"]):
            assert metadata.registry().idp(IDP, NOW) is not None
            assert all(report.problem is None for report in metadata.reports())


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    fields = MetadataUrlSettings.model_fields
    assert {name: fields[name].default for name in ("refresh_every", "refresh_no_sooner", "refresh_no_later")} == {
        "refresh_every": timedelta(hours=6),
        "refresh_no_sooner": timedelta(minutes=5),
        "refresh_no_later": timedelta(days=1),
    }
    assert fields["maximum_validity"].default == timedelta(days=28)
    assert fields["max_bytes"].default == 256 * 1024 * 1024
    found = {"large": LARGE, "longest retry": LONGEST_RETRY, "forgotten": FORGOTTEN_AFTER}
    assert found == {"large": 4 * 1024 * 1024, "longest retry": timedelta(hours=1), "forgotten": timedelta(days=2)}


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ({"url": "https://federation.example/x"}, "metadata.untrusted_source"),
        ({"url": "http://federation.example/x", "trusted_keys": ["key.pub"]}, "config.public_url_http"),
        ({"url": "https://a:b@federation.example/x", "trusted_keys": ["key.pub"]}, "config.public_url"),
        ({"mdq": "https://federation.example/", "allow_unsigned_local_file": True}, "metadata.untrusted_source"),
        ({"file": "own.xml", "include": {"entities_matching": ["(a"]}}, "policy.pattern"),
        ({"file": "own.xml", "scopes": ["not a scope"]}, "string_pattern_mismatch"),
        ({"file": "own.xml", "include": {"roles": ["wayf"]}}, "literal_error"),
        ({}, "missing"),
    ],
)
def test_what_would_not_be_safe_is_no_configuration(tmp_path: Path, source: dict[str, Any], code: str) -> None:
    (tmp_path / "own.xml").write_bytes(single())
    (tmp_path / "key.pub").write_bytes((tmp_path / public_key(tmp_path)).read_bytes())
    with pytest.raises(ValidationError) as refused:
        Service(tmp_path, [source]).settings()
    causes = [(error.get("ctx", {}).get("error"), error["type"]) for error in refused.value.errors()]
    assert code in {getattr(cause, "code", kind) for cause, kind in causes}


@pytest.mark.parametrize("kind", ["url", "mdq"])
def test_what_is_fetched_needs_a_state_directory(tmp_path: Path, kind: str) -> None:
    source = {kind: "https://federation.example/x", "trusted_keys": [public_key(tmp_path)]}
    (tmp_path / "keys").mkdir()
    with pytest.raises(ValidationError) as refused:
        TrustSettings.model_validate({"keys": "keys", "metadata": [source]}, context={"directory": tmp_path})
    assert getattr(refused.value.errors()[0]["ctx"]["error"], "code", "") == "metadata.state_needed"
