"""
Which device a request comes from, and whom to believe about its address.

Each trusted proxy appends to X-Forwarded-For the address it was called from, so the client is
the entry that the outermost of ``ACCOUNTS["TRUSTED_PROXIES"]`` proxies wrote; whatever stands to
the left of it was written by the client and is not believed.
"""

from __future__ import annotations

import functools
import ipaddress
from dataclasses import dataclass

from django.http import HttpRequest
from ua_parser import BasicResolver, Domain, Parser, load_lazy_builtins

from accounts.conf import get_settings

USER_AGENT_LENGTH = 400
NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Device:
    """
    What is known of a device. ``ip_address`` is None where the server does not tell it.

    ``id`` is what an app calls itself, and empty where it does not.
    """

    ip_address: str | None
    user_agent: str
    name: str = ""
    id: str = ""


def from_request(request: HttpRequest, *, name: str = "", device_id: str = "") -> Device:
    """Return the device behind ``request``; without a ``name`` it is read from the user agent."""
    # Not request.headers, which is made of all of them.
    user_agent = _printable(request.META.get("HTTP_USER_AGENT", ""))
    return Device(
        ip_address=_client_address(request),
        user_agent=user_agent[:USER_AGENT_LENGTH],
        name=name or describe(user_agent[:USER_AGENT_LENGTH]),
        id=device_id,
    )


# Apps of one kind and version send the same agent; a look at all the patterns takes a millisecond.
@functools.lru_cache(256)
def describe(user_agent: str) -> str:
    """Return a name for people, such as "Firefox on Linux"; empty for an unknown agent."""
    found = _parser()(user_agent, Domain.USER_AGENT | Domain.OS)
    browser = found.user_agent.family if found.user_agent else ""
    system = found.os.family if found.os else ""
    if browser and system:
        return f"{browser} on {system}"[:NAME_LENGTH]
    return (browser or system)[:NAME_LENGTH]


@functools.cache
def _parser() -> Parser:
    """
    Return the parser, made at first use.

    Python's own regular expressions: the package's faster ones take 26 MB of every process. They
    backtrack, but an agent of USER_AGENT_LENGTH that is made for it costs 5 ms, not seconds.
    """
    return Parser(BasicResolver(load_lazy_builtins()))


def _client_address(request: HttpRequest) -> str | None:
    chain = [request.META.get("REMOTE_ADDR", "")]
    if proxies := get_settings().trusted_proxies:
        forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
        chain = [*forwarded.split(","), *chain] if forwarded else chain
        chain = chain[-(proxies + 1) :]
    return _address(chain[0])


def _address(text: str) -> str | None:
    """Return the address in ``text``, a port stripped; None for anything else."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character for character in text if character.isprintable())
