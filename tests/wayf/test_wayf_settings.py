"""The configuration file of the discovery service."""

from datetime import timedelta
from pathlib import Path

import pytest

from ostiary.config import load_settings
from ostiary.errors import ConfigurationError
from wayf.settings import WayfSettings

GOOD = """\
public_url: http://localhost:8080
listen: {port: 8080}
federation_name: https://federation.example.org
trust: {keys: keys, metadata: []}
validity: 2d
"""


def written(directory: Path, text: str) -> Path:
    (directory / "keys").mkdir()
    path = directory / "wayf.yaml"
    path.write_text(text)
    return path


def test_a_complete_file_is_read_with_paths_from_its_directory(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, GOOD), WayfSettings)
    assert settings.trust.keys == tmp_path / "keys"
    assert settings.validity == timedelta(days=2)
    assert settings.remember == timedelta(days=365)
    assert settings.service_name == "Ostiary"


@pytest.mark.parametrize(
    ("change", "line", "key"),
    [
        (("http://localhost:8080", "http://wayf.example.org"), 1, "public_url"),
        (("port: 8080", "port: 80800"), 2, "listen.port"),
        (("keys: keys", "keys: none"), 4, "trust.keys"),
        (("validity: 2d", "validity: soon"), 5, "validity"),
        (("validity: 2d", "validty: 2d"), 5, "validty"),
        (("federation_name: https://federation.example.org", "federation_name: ''"), 3, "federation_name"),
    ],
)
def test_a_wrong_value_stops_the_start_with_file_line_and_key(
    tmp_path: Path, change: tuple[str, str], line: int, key: str
) -> None:
    path = written(tmp_path, GOOD.replace(*change))
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, WayfSettings)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.key.replace("[", ".").replace("]", "") == key
