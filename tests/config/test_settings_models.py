from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from ostiary.config import (
    DatabaseSettings,
    DirectoryFromHere,
    DocumentError,
    Duration,
    DurationOrZero,
    FileFromHere,
    ListenSettings,
    PathFromHere,
    PublicUrl,
    Settings,
    WrongSetting,
    load_settings,
)

TEXTS = Path(__file__).parents[2] / "ostiary" / "web" / "texts" / "en"


class UrlSource(Settings):
    url: str
    refresh: Duration = timedelta(hours=1)


class FileSource(Settings):
    file: PathFromHere


class Service(Settings):
    entity_id: str
    listen: ListenSettings
    allow_http_beyond_loopback: bool = False
    public_url: PublicUrl = "https://idp.example.org"
    session: Duration = timedelta(hours=8)
    skew: DurationOrZero = timedelta(0)
    state: PathFromHere = Path("state")
    key: FileFromHere | None = None
    templates: DirectoryFromHere | None = None
    sources: tuple[UrlSource | FileSource, ...] = ()
    domains: dict[str, Annotated[UrlSource, Field()]] = Field(default_factory=dict)
    database: DatabaseSettings | None = None
    client_secret: int = 1

    @model_validator(mode="after")
    def _session_outlives_the_skew(self) -> "Service":
        if self.session <= self.skew:
            raise WrongSetting("config.duration", expected="a session longer than the skew", found=self.session)
        return self


MINIMAL = "entity_id: https://idp.example.org/idp\nlisten:\n  port: 8080\n"


def load(directory: Path, text: str) -> Service:
    file = directory / "idp.yaml"
    file.write_text(text)
    return load_settings(file, Service)


def refusal(directory: Path, text: str) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        load(directory, text)
    return caught.value


def test_a_good_file_becomes_a_frozen_model(tmp_path: Path) -> None:
    service = load(tmp_path, MINIMAL + "session: 30m\nskew: 0s\nsources:\n  - url: https://x\n    refresh: 5m\n")
    assert service.listen == ListenSettings(host="127.0.0.1", port=8080, workers=1)
    assert service.session == timedelta(minutes=30)
    assert service.sources == (UrlSource(url="https://x", refresh=timedelta(minutes=5)),)
    with pytest.raises(ValidationError):
        service.session = timedelta(hours=1)  # type: ignore[misc]


def test_a_missing_key_is_named_with_the_line_of_what_lacks_it(tmp_path: Path) -> None:
    error = refusal(tmp_path, "entity_id: x\nlisten:\n  host: localhost\n")
    assert (error.code, error.line, error.key) == ("config.missing_key", 2, "listen.port")
    assert error.file == str(tmp_path / "idp.yaml")


def test_a_mistyped_key_names_the_one_that_was_meant(tmp_path: Path) -> None:
    error = refusal(tmp_path, "entity_id: x\nlisten:\n  prot: 8080\n")
    assert (error.code, error.line, error.key, error.nearest) == ("config.mistyped_key", 3, "listen.prot", "port")
    assert error.params["nearest"] == "port"
    assert [problem.code for problem in error.problems] == ["config.mistyped_key", "config.missing_key"]


def test_a_mistyped_key_is_found_in_lists_unions_and_mappings(tmp_path: Path) -> None:
    text = MINIMAL + "sources:\n  - url: x\n    refesh: 5m\ndomains:\n  a:\n    URL: x\n    url: y\n"
    named = {
        (problem.key, problem.line, getattr(problem, "nearest", "")) for problem in refusal(tmp_path, text).problems
    }
    assert ("sources[0].refesh", 6, "refresh") in named
    assert ("domains.a.URL", 9, "url") in named


def test_an_unknown_key_lists_those_there_are(tmp_path: Path) -> None:
    error = refusal(tmp_path, MINIMAL + "  zzzz: 1\n")
    assert (error.code, error.key, error.line) == ("config.unknown_key", "listen.zzzz", 4)
    assert error.expected == "one of host, port, workers"


def test_a_wrong_value_says_what_was_expected_and_found(tmp_path: Path) -> None:
    error = refusal(tmp_path, "entity_id: x\nlisten:\n  port: 70000\n")
    assert (error.code, error.key, error.line) == ("config.wrong_value", "listen.port", 3)
    assert (error.expected, error.found) == ("less than or equal to 65535", "70000")
    assert str(error) == (
        f"{tmp_path}/idp.yaml:3: listen.port: config.wrong_value; expected less than or equal to 65535; found 70000"
    )
    error = refusal(tmp_path, "entity_id: x\nlisten:\n  port: many\n")
    assert (error.expected, error.found) == ("a valid integer", '"many"')


def test_every_problem_is_listed_in_the_order_of_lines(tmp_path: Path) -> None:
    error = refusal(tmp_path, "entity_id: [1]\nlisten:\n  port: x\nsession: 8\nskew: soon\n")
    assert [(problem.line, problem.key, problem.code) for problem in error.problems] == [
        (1, "entity_id", "config.wrong_value"),
        (3, "listen.port", "config.wrong_value"),
        (4, "session", "config.duration"),
        (5, "skew", "config.duration"),
    ]
    assert error is error.problems[0]


def test_a_rule_over_several_keys_has_its_own_code(tmp_path: Path) -> None:
    error = refusal(tmp_path, MINIMAL + "session: 5m\nskew: 5m\n")
    assert (error.code, error.line, error.found) == ("config.duration", 1, "0:05:00")


@pytest.mark.parametrize("value", ["0s", "8", "-1h"])
def test_a_duration_of_nothing_is_refused(tmp_path: Path, value: str) -> None:
    assert refusal(tmp_path, MINIMAL + f"session: {value}\n").code == "config.duration"


def test_plain_http_is_allowed_by_the_key_beside_it_in_any_order(tmp_path: Path) -> None:
    text = MINIMAL + "public_url: http://idp.example.org/\n"
    assert refusal(tmp_path, text).code == "config.public_url_http"
    allowed = load(tmp_path, text + "allow_http_beyond_loopback: true\n")
    assert allowed.public_url == "http://idp.example.org"


def test_relative_paths_start_from_the_file(tmp_path: Path) -> None:
    (tmp_path / "k.pem").touch()
    (tmp_path / "pages").mkdir()
    text = "state: /var/lib/x\nkey: k.pem\ntemplates: ./pages\nsources:\n  - file: ../md.xml\n"
    service = load(tmp_path, MINIMAL + text)
    assert service.state == Path("/var/lib/x")
    assert service.key == tmp_path / "k.pem"
    assert service.templates == tmp_path / "pages"
    assert service.sources == (FileSource(file=tmp_path / ".." / "md.xml"),)


def test_a_relative_default_starts_from_the_file_too(tmp_path: Path) -> None:
    assert load(tmp_path, MINIMAL).state == tmp_path / "state"


def test_a_file_or_directory_that_must_exist_and_does_not_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    error = refusal(tmp_path, MINIMAL + "key: none.pem\n")
    assert (error.code, error.key, error.found) == ("config.path_file", "key", str(tmp_path / "none.pem"))
    assert refusal(tmp_path, MINIMAL + "key: d\n").code == "config.path_file"
    assert refusal(tmp_path, MINIMAL + "templates: idp.yaml\n").code == "config.path_directory"


def test_without_a_file_only_absolute_paths_are_accepted() -> None:
    assert FileSource(file=Path("/a/b")).file == Path("/a/b")
    with pytest.raises(ValidationError):
        FileSource(file=Path("b"))


def test_a_relative_sqlite_file_starts_from_the_file(tmp_path: Path) -> None:
    service = load(tmp_path, MINIMAL + "database:\n  url: sqlite:///idp.db\n")
    assert service.database is not None
    assert service.database.url == f"sqlite:///{tmp_path}/idp.db"
    service = load(tmp_path, MINIMAL + "database:\n  url: sqlite:////var/lib/idp.db\n")
    assert service.database is not None
    assert service.database.url == "sqlite:////var/lib/idp.db"


@pytest.mark.parametrize("url", ["idp.db", "oracle://x/y", "sqlite://", "sqlite:///", "sqlite://host/x"])
def test_a_database_url_of_another_kind_is_refused(tmp_path: Path, url: str) -> None:
    assert refusal(tmp_path, MINIMAL + f"database:\n  url: {url}\n").code == "config.database_url"


@pytest.mark.parametrize("url", ["postgresql://idp:hunter2@db/idp", "mariadb+pymysql://db/idp?password=hunter2"])
def test_a_password_in_a_database_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    error = refusal(tmp_path, MINIMAL + f"database:\n  url: {url}\n")
    assert error.code == "config.database_password"
    assert "hunter2" not in str(error)
    assert load(tmp_path, MINIMAL + "database:\n  url: postgresql://idp@db/idp\n").database is not None


def test_the_value_of_a_secret_is_never_shown(tmp_path: Path) -> None:
    error = refusal(tmp_path, MINIMAL + "client_secret: hunter2\n")
    assert error.code == "config.wrong_value"
    assert error.found == "a value that is not shown"


def test_a_url_with_a_user_is_never_shown(tmp_path: Path) -> None:
    error = refusal(tmp_path, "entity_id: x\nlisten: https://a:hunter2@b\n")
    assert "hunter2" not in str(error)


def test_an_empty_file_lacks_every_required_key(tmp_path: Path) -> None:
    error = refusal(tmp_path, "")
    assert [problem.key for problem in error.problems] == ["entity_id", "listen"]


def test_a_model_of_another_base_can_be_loaded(tmp_path: Path) -> None:
    class Plain(BaseModel):
        a: int

    file = tmp_path / "a.yaml"
    file.write_text("a: 1\n")
    assert load_settings(file, Plain) == Plain(a=1)


def test_every_code_of_the_configuration_has_its_text() -> None:
    package = TEXTS.parents[2]
    sources = [*(package / "config").glob("*.py"), package / "documents.py"]
    known = {name.partition(".")[2] for name in yaml.safe_load((TEXTS / "config.yaml").read_text())["errors"]}
    used = {
        word.removeprefix('"config.').rstrip('"')
        for source in sources
        for word in _words(source.read_text())
        if word.startswith('"config.')
    }
    assert used == known


def _words(text: str) -> list[str]:
    for mark in "(,)=":
        text = text.replace(mark, " ")
    return text.split()


class Chained(Settings):
    names: tuple[str, ...]

    @model_validator(mode="after")
    def _none_is_wrong(self) -> "Chained":
        if "wrong" in self.names:
            at = ("names", self.names.index("wrong"))
            raise WrongSetting("test.wrong", expected="right", found="wrong", at=at, nearest="wring")
        return self


class Holding(Settings):
    chain: Chained


def test_a_check_of_a_whole_model_can_say_where_in_it_the_mistake_stands(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("chain:\n  names:\n    - right\n    - wrong\n")
    with pytest.raises(DocumentError) as refused:
        load_settings(path, Holding)
    assert (refused.value.key, refused.value.line, refused.value.nearest) == ("chain.names[1]", 4, "wring")
