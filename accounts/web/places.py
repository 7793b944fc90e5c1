"""
Where an address is, for projects that have a GeoIP database.

Django's ``GEOIP_PATH`` names an MMDB file with cities, or its directory with ``GEOIP_CITY`` in
it; the package ``maxminddb``, which ``geoip2`` brings along, reads it. Without either nothing is
said: an address is enough to recognise a device.
"""

from __future__ import annotations

import functools
import importlib
import logging
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import get_language

logger = logging.getLogger(__name__)

# Django's names of the languages that the databases call otherwise.
LANGUAGES = {"zh-hans": "zh-CN", "pt": "pt-BR", "pt-br": "pt-BR"}


def place_of(ip_address: str | None) -> str:
    """Return "Berlin, Germany" or as much of it as is known; empty for nothing."""
    path = getattr(settings, "GEOIP_PATH", None)
    reader = _reader(Path(path)) if path and ip_address else None
    record = _find(reader, str(ip_address)) if reader else None
    parts = (_name(record, "city"), _name(record, "country")) if record else ()
    return ", ".join(part for part in parts if part)


@functools.cache
def _reader(path: Path) -> Any | None:
    """Return what looks addresses up; None, and one warning, where that cannot be had."""
    name = getattr(settings, "GEOIP_CITY", "GeoLite2-City.mmdb")
    try:
        maxminddb = importlib.import_module("maxminddb")
        return maxminddb.open_database(path / name if path.is_dir() else path)
    except (ImportError, OSError, ValueError, RuntimeError):
        logger.warning("The GeoIP database at %s cannot be used", path, exc_info=True)
        return None


def _find(reader: Any, ip_address: str) -> Any | None:
    """Return what is known of the address; None too for an IPv6 one in a database without such."""
    try:
        return reader.get(ip_address)
    except (ValueError, RuntimeError):
        return None


def _name(record: dict[str, Any], part: str) -> str:
    names = record.get(part, {}).get("names", {})
    language = get_language() or "en"
    return str(names.get(LANGUAGES.get(language, language)) or names.get("en", ""))
