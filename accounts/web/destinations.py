"""Where a page leads when it is done: only ever to a place on this site."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

NEXT = "next"
# As much as browsers and proxies take; more comes from nobody who means well.
MAX_LENGTH = 2000


def asked_for(request: HttpRequest) -> str:
    """Return the request's ``next`` if it is a place on this site; empty if not."""
    asked = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    is_ours = len(asked) <= MAX_LENGTH and url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if is_ours else ""


def url_of(name: str, **query: str) -> str:
    """Return the address of one of the pages; what is empty in ``query`` is left out."""
    given = urlencode({key: value for key, value in query.items() if value})
    address = reverse(f"accounts_web:{name}")
    return f"{address}?{given}" if given else address
