"""Which device it is, and whose word about its address counts."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from accounts import devices
from accounts.devices import Device

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def device(agent: str | None = None, *, remote: str = "192.0.2.1", **extra: Any) -> Device:
    """Return what is made of a request with these headers."""
    headers = {} if agent is None else {"User-Agent": agent}
    forwarded = extra.pop("forwarded", None)
    if forwarded is not None:
        headers["X-Forwarded-For"] = forwarded
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)
    return devices.from_request(request, **extra)


def trust(settings: Settings, proxies: int) -> None:
    """Say how many proxies stand in front of the server."""
    settings.ACCOUNTS = {**settings.ACCOUNTS, "TRUSTED_PROXIES": proxies}


@pytest.mark.parametrize(
    ("proxies", "forwarded", "address"),
    [
        (0, None, "192.0.2.1"),
        (0, "203.0.113.9", "192.0.2.1"),
        (1, None, "192.0.2.1"),
        (1, "", "192.0.2.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (2, "198.51.100.7, 192.0.2.2", "198.51.100.7"),
        (2, "203.0.113.9, 203.0.113.10, 198.51.100.7,192.0.2.2", "198.51.100.7"),
        (2, "198.51.100.7", "198.51.100.7"),
    ],
)
def test_only_the_word_of_the_trusted_proxies_counts(
    settings: Settings, proxies: int, forwarded: str | None, address: str
) -> None:
    trust(settings, proxies)

    assert device(forwarded=forwarded).ip_address == address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("198.51.100.7:4711", "198.51.100.7"),
        ("  198.51.100.7  ", "198.51.100.7"),
        ("2001:DB8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("[2001:db8::7", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("[fe80::7%25eth0]:80", "fe80::7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("[::ffff:198.51.100.7]:80", "198.51.100.7"),
    ],
)
def test_an_address_is_read_in_every_form_and_kept_in_one(
    settings: Settings, written: str, address: str
) -> None:
    trust(settings, 1)

    assert device(forwarded=written).ip_address == address


@pytest.mark.parametrize(
    "written",
    [
        *("unknown", "_hidden", "198.51.100", "198.51.100.256", "198.51.100.7.8", "0198.51.100.7"),
        *("198.51.100.7:80:90", "[]", "[", "%", "::1::", "x" * 10_000, "1'; DROP TABLE users", "٣"),
        *("\x00", "198.51.100.7\x00", "<script>"),
    ],
)
def test_garbage_is_no_address_and_nobody_elses_word_replaces_it(
    settings: Settings, written: str
) -> None:
    trust(settings, 1)

    assert device(forwarded=f"203.0.113.9, {written}").ip_address is None


@pytest.mark.parametrize("remote", ["", "unix:"])
def test_a_server_on_a_socket_file_tells_no_address(remote: str) -> None:
    assert device(remote=remote).ip_address is None


def test_a_device_is_named_after_its_agent() -> None:
    found = device(FIREFOX, device_id="phone-1")

    assert found == Device("192.0.2.1", FIREFOX, "Firefox on Linux", "phone-1")


def test_the_name_a_device_gives_itself_comes_first() -> None:
    assert device(FIREFOX, name="Alice's laptop").name == "Alice's laptop"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("", ""),
        ("nonsense", ""),
        ("curl/8.5.0", "curl"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", "Android on Android"),
        ("AppName/1.0 (Windows NT 10.0)", "Windows"),
    ],
)
def test_an_agent_is_described_as_far_as_it_is_known(agent: str, name: str) -> None:
    assert devices.describe(agent) == name


def test_a_request_without_an_agent_has_an_empty_one() -> None:
    found = device()

    assert (found.user_agent, found.name) == ("", "")


def test_control_characters_and_surrogates_are_left_out_of_an_agent() -> None:
    agent = device("a\x00b\nc\x1b[31md\x7fe\udce9f\u202eg é").user_agent

    assert agent == "abc[31mdefg é"


def test_a_long_agent_is_cut_to_what_the_row_holds() -> None:
    found = device(f"{FIREFOX} {'x' * 100_000}")

    assert len(found.user_agent) == devices.USER_AGENT_LENGTH
    assert found.name == "Firefox on Linux"


def test_a_description_is_cut_to_what_the_row_holds() -> None:
    named = devices.describe(f"Mozilla/5.0 {'Long' * 60}Bot/1.0 (X11; Linux)")

    assert named.endswith("LongBot on Linux")
    assert len(named) <= devices.NAME_LENGTH


@pytest.mark.parametrize(
    "agent",
    [
        "a" * 399,
        "1." * 199,
        "CE " * 133,
        "H1" * 199,
        "Mozilla/5.0 (" * 30,
        "ExchangeServicesClient/" + " " * 376,
        "Viafree " + "-" * 390,
    ],
)
def test_an_agent_that_is_made_to_be_slow_is_described_all_the_same(agent: str) -> None:
    devices.describe("an agent nobody knows, for which every pattern is compiled")
    before = time.process_time()

    devices.describe(f"{agent}\x01")

    assert time.process_time() - before < 0.5


def test_an_agent_that_comes_again_is_not_looked_up_again() -> None:
    devices.describe(FIREFOX)
    before = devices.describe.cache_info()

    device(FIREFOX)

    after = devices.describe.cache_info()
    assert (after.hits, after.misses) == (before.hits + 1, before.misses)
    assert after.maxsize == 256
