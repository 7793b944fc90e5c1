"""Where an address is, with a database and without."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.utils.translation import override
from pytest_django import Settings

from accounts.models import User
from accounts.web import places
from tests.web.conftest import LaptopOf
from tests.web.laptop import text_of

RECORDS: dict[str, Any] = {
    "203.0.113.7": {
        "city": {"names": {"en": "Berlin", "zh-CN": "柏林"}},
        "country": {"names": {"en": "Germany"}},
    },
    "203.0.113.8": {"country": {"names": {"en": "Germany", "zh-CN": "德国"}}},
    "::1": ValueError("an IPv6 address in an IPv4-only database"),
    "127.0.0.1": {"city": {"names": {"en": "Hometown"}}},
}


class Reader:
    """Reads files as maxminddb does: an empty one has RECORDS, and any other is broken."""

    def __init__(self, path: Path) -> None:
        if path.read_bytes():
            raise RuntimeError("not an MMDB file")

    def get(self, ip_address: str) -> Any:
        """Return the record."""
        found = RECORDS.get(ip_address)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def _forget_readers() -> Iterator[None]:
    places._reader.cache_clear()
    yield
    places._reader.cache_clear()


@pytest.fixture
def database(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of cities, by a stand-in for the package that may not be installed."""
    package: Any = ModuleType("maxminddb")
    package.open_database = Reader
    monkeypatch.setitem(sys.modules, "maxminddb", package)
    path = tmp_path / "GeoLite2-City.mmdb"
    path.touch()
    settings.GEOIP_PATH = str(path)
    return path


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "Berlin, Germany"),
        ("203.0.113.8", "Germany"),
        ("203.0.113.9", ""),
        ("::1", ""),
        (None, ""),
    ],
)
def test_an_address_is_told_as_far_as_it_is_known(
    database: Path, address: str | None, place: str
) -> None:
    assert places.place_of(address) == place


def test_the_directory_will_do_as_for_django(database: Path, settings: Settings) -> None:
    settings.GEOIP_PATH = database.parent

    assert places.place_of("203.0.113.7") == "Berlin, Germany"


def test_a_place_is_named_in_the_readers_language_where_it_has_a_name(database: Path) -> None:
    with override("zh-hans"):
        assert places.place_of("203.0.113.7") == "柏林, Germany"


def test_the_list_shows_the_place(database: Path, alice: User, laptop_of: LaptopOf) -> None:
    page = laptop_of(alice).get("sessions")

    assert "Hometown 127.0.0.1" in text_of(page)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_text("broken")])
def test_a_database_that_cannot_be_read_is_warned_of_once(
    database: Path, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], object]
) -> None:
    spoil(database)

    found = [places.place_of("203.0.113.7") for _time in range(2)]

    assert found == ["", ""]
    assert [record.message for record in caplog.records] == [
        f"The GeoIP database at {database} cannot be used"
    ]


def test_without_the_package_nothing_is_said(
    database: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "maxminddb", None)

    assert places.place_of("203.0.113.7") == ""
    assert "cannot be used" in caplog.text


def test_without_the_setting_nothing_is_looked_for(caplog: pytest.LogCaptureFixture) -> None:
    assert places.place_of("203.0.113.7") == ""
    assert caplog.records == []
