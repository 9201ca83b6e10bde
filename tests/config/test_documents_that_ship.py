from pathlib import Path

import pytest

from ostiary import documents
from ostiary.errors import ConfigurationError


def test_a_wheel_carries_the_documents_inside_the_package(tmp_path: Path) -> None:
    (tmp_path / "ostiary" / "policies").mkdir(parents=True)
    (tmp_path / "policies").mkdir()
    assert documents.find("policies", tmp_path / "ostiary") == tmp_path / "ostiary" / "policies"


def test_a_checkout_carries_them_beside_the_package(tmp_path: Path) -> None:
    (tmp_path / "ostiary").mkdir()
    (tmp_path / "schemas").mkdir()
    (tmp_path / "pyproject.toml").touch()
    assert documents.find("schemas", tmp_path / "ostiary") == tmp_path / "schemas"


def test_a_directory_of_that_name_in_site_packages_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "ostiary").mkdir()
    (tmp_path / "policies").mkdir()
    with pytest.raises(ConfigurationError) as caught:
        documents.find("policies", tmp_path / "ostiary")
    assert caught.value.code == "config.documents_missing"


def test_this_checkout_has_both() -> None:
    assert documents.policies().name == "policies"
    assert documents.schemas().name == "schemas"
    assert documents.policies().is_dir()
    assert documents.schemas().is_dir()
