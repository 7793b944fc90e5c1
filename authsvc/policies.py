"""
The Content-Security-Policy: what a page may load and where it may send.

The policy in the settings is for our own pages and Django's administration, which have no
inline script and no inline style. The pages below ``RELAXED`` are other people's and need more,
and so does Swagger UI, which ``authsvc.docs`` says itself. What is not a page has no use for a
policy: the API's JSON stays as short as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase

RELAXED: dict[str, dict[str, list[str]]] = {
    # The browsable API: its scripts make style elements, and Bootstrap has glyphs.
    "/auth/": {"style-src": [SELF, UNSAFE_INLINE], "font-src": [SELF]},
}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """Sends the policy with every page."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Add the header, if ``response`` is a page."""
        if response.get("Content-Type", "").startswith("text/html"):
            return super().process_response(request, response)
        return response

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return the settings' policy, with what the path needs besides."""
        parts = super().get_policy_parts(request, response, report_only)
        needed: dict[str, Any] = {}
        for prefix, more in RELAXED.items():
            if request.path_info.startswith(prefix):
                needed = more
        return replace(parts, replace=needed | (parts.replace or {}))
