"""What nobody should send."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.world import OTHERS, PEOPLE

# A byte in each character, as servers hand over what arrived.
latin = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
surrogates = st.sampled_from(["\ud800", "\udfff", "a\udc00b"])
texts = st.one_of(
    st.text(max_size=40),
    surrogates,
    st.sampled_from(["", "\x00", "null", "None", "' OR 1=1 --", "%00", "\u202e", "..", "x" * 5000]),
)
numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([10**400, -(10**400), 2**63, 1e308, -0.0]),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=8,
)
who = st.one_of(
    st.sampled_from(
        [
            "Bearer",
            "Bearer ",
            "Bearer null",
            "Bearer a.b.c",
            "Bearer \x00",
            "Basic YWxpY2U6eA==",
            "Bearer " + "x" * 5000,
        ]
    ),
    latin.map("Bearer {}".format),
    # Servers strip what a header holds (RFC 9110 section 5.5).
    latin.map(str.strip),
)
# Mostly somebody who may ask, or else nothing would get past the first refusal.
callers = st.one_of(*[st.sampled_from(PEOPLE)] * 5, st.sampled_from(OTHERS), who)

HEADERS = (
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Access-Control-Request-Headers",
    "Access-Control-Request-Method",
    "Authorization",
    "Content-Encoding",
    "Cookie",
    "Forwarded",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Range",
    "Referer",
    "Sec-Fetch-Site",
    "Transfer-Encoding",
    "Upgrade",
    "User-Agent",
    "X-CSRFToken",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-HTTP-Method-Override",
    "X-Request-ID",
    "X-Requested-With",
)
_header_values = st.one_of(
    latin,
    st.sampled_from(
        [
            "text/html",
            "text/html;q=x, */*;q=0",
            "application/json; v*=nonsense''x",
            "*/*;q=0.1, application/json;version=\x00",
            "chunked",
            "zh-CN, zh;q=0.9",
            "null",
            "http://[",
            "https://app.example.com",
            "bytes=0-0",
            "sessionid=\x00; csrftoken=\xed\xa0\x80",
            "sessionid=x; sessionid=y; language=../..",
            "for=[::1]:x",
            "x" * 9000,
        ]
    ),
)
headers = st.dictionaries(st.sampled_from(HEADERS), _header_values, max_size=4)
content_types = st.one_of(
    st.sampled_from(
        [
            "application/json",
            "application/json; charset=utf-8",
            "application/json; charset=utf-16",
            "application/json; charset=\x00",
            "application/json; charset*=nonsense''x",
            "application/json; charset*=utf-8''%00",
            "application/json; charset*0*=x''%ff; charset*1=y",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "multipart/form-data; boundary=\xff",
            "text/plain",
            "text/html",
            "",
            "/",
            ";",
        ]
    ),
    latin,
)
lengths = st.sampled_from(["", "0", "-1", "1", "+5", "1_0", "\xb2", "9" * 30, "1e3", "x"])


def _encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


_nested = st.tuples(st.sampled_from([b"[", b'{"a":']), st.sampled_from([20, 21, 1000, 100_000]))
bodies = st.one_of(
    values.map(_encoded),
    st.dictionaries(texts, values, max_size=5).map(_encoded),
    st.binary(max_size=200),
    _nested.map(lambda what: what[0] * what[1]),
    st.sampled_from(
        [
            b"",
            b"x" * 300_000,
            b'{"email": "\xed\xa0\x80"}',
            b'{"email": ' + b"9" * 5000 + b"}",
            b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n\xff\r\n--x--\r\n',
            b"token=%00&token=%ff&token",
            b"&" * 5000,
        ]
    ),
)
methods = st.one_of(
    st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "QUERY"]),
    st.text("AZaz-!_", min_size=1, max_size=9),
)
queries = st.one_of(
    latin,
    st.builds(
        "{}={}".format,
        st.sampled_from(["cursor", "page_size", "format", "lang", "next", "access_token"]),
        st.one_of(latin, st.sampled_from(["", "0", "-1", "9" * 400, "%00", "%ff", "api", "cD0="])),
    ),
    st.sampled_from(["a=1&" * 300, "?" * 500, "page_size=1&page_size=x", "cursor=" + "x" * 9000]),
)
