"""The endpoints these tests speak to, and a body that each of them takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.people import PASSWORD

SOME_ID = "01a203cf-51b1-7344-a478-a48a73b67051"


class Endpoint(NamedTuple):
    """One call of the contract."""

    method: str
    path: str
    body: dict[str, Any] | None = None


PUBLIC = {
    "register": Endpoint(
        "post",
        "/auth/register",
        {"email": "dave@example.com", "password": PASSWORD, "name": "Dave"},
    ),
    "login": Endpoint(
        "post",
        "/auth/login",
        {
            "email": "alice@example.com",
            "password": PASSWORD,
            "device_name": "phone",
            "device_id": "4711",
        },
    ),
    "refresh": Endpoint("post", "/auth/refresh", {"refresh_token": "not.a.token"}),
    "revoke": Endpoint("post", "/auth/revoke", {"token": "not.a.token"}),
}
PROTECTED = {
    "logout": Endpoint("post", "/auth/logout"),
    "logout-current": Endpoint("post", "/auth/logout/current"),
    "logout-others": Endpoint("post", "/auth/logout/others"),
    "sessions": Endpoint("get", "/auth/sessions"),
    "session": Endpoint("delete", f"/auth/sessions/{SOME_ID}"),
    "profile": Endpoint("get", "/auth/profile"),
    "profile-change": Endpoint(
        "patch",
        "/auth/profile",
        {
            "name": "Alice",
            "locale": "zh-Hans",
            "time_zone": "Asia/Shanghai",
            "avatar_url": "https://example.com/alice.png",
        },
    ),
    "events": Endpoint("get", "/auth/events"),
}
ALL = PUBLIC | PROTECTED
# Those that read a body.
WITH_BODY = {name: endpoint for name, endpoint in ALL.items() if endpoint.body}
