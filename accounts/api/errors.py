"""
From what went wrong to the answer: one table from code to status, and who uses it.

``exception_handler`` serves the API's views. ``bad_request``, ``forbidden``, ``not_found`` and
``server_error`` are for ``handler400`` to ``handler500`` of a project's urls: they answer for what
fails before a view is reached (a middleware, an unknown host), in the envelope under the API's
path, with a page elsewhere.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.core.signals import got_request_exception
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views import defaults
from rest_framework import exceptions as drf
from rest_framework.response import Response

from accounts.api.envelope import Envelope, failure, json_response
from accounts.exceptions import (
    AccountsError,
    FieldInvalid,
    PayloadTooLarge,
    PermissionDenied,
    RetryLater,
    ServiceUnavailable,
    Throttled,
    TokenError,
    TokenInvalid,
)

logger = logging.getLogger(__name__)

STATUSES = {
    "parse_error": 400,
    "validation_error": 400,
    "not_authenticated": 401,
    "token_invalid": 401,
    "token_expired": 401,
    "session_ended": 401,
    "invalid_credentials": 401,
    "permission_denied": 403,
    "csrf_failed": 403,
    "https_required": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "payload_too_large": 413,
    "unsupported_media_type": 415,
    "throttled": 429,
    "locked_out": 429,
    "server_error": 500,
    "service_unavailable": 503,
}

# Seconds; a database that restarts is back in a few.
RETRY_AFTER = 2
# PostgreSQL's read_only_sql_transaction: during a failover, of a server that only follows.
READ_ONLY = "25006"

_SERVER_ERROR = _("An unexpected error occurred.")
_MALFORMED = _("The request is malformed.")


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Return the answer for whatever a view raised; nothing internal is in the message."""
    headers: dict[str, str] = {}
    known = _known(error)
    if known is None:
        content = failure("server_error", _SERVER_ERROR)
        _report(context["request"], error)
    elif isinstance(known, drf.APIException):
        content, headers = _of_drf(known)
    else:
        content, headers = _of_accounts(known, error)
    return Response(content, status=STATUSES[content["code"]], headers=headers)


def _known(error: Exception) -> AccountsError | drf.APIException | None:
    match error:
        case AccountsError() | drf.ValidationError():
            return error
        case drf.AuthenticationFailed():
            return TokenInvalid()
        case drf.Throttled():
            return Throttled(math.ceil(getattr(error, "wait", None) or 1))
        case drf.APIException():
            return error if error.default_code in STATUSES else None
        case DatabaseError() | InterfaceError() if _is_away(error):
            return ServiceUnavailable(RETRY_AFTER)
        case DjangoPermissionDenied():
            return PermissionDenied()
        case RequestDataTooBig():
            return PayloadTooLarge()
        case SuspiciousOperation() | BadRequest():
            return drf.ParseError(_MALFORMED)
        case Http404():
            return drf.NotFound()
    return None


def _is_away(error: BaseException | None) -> bool:
    """Tell whether the database cannot be used for now: gone, busy, or a standby in its place."""
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return getattr(error.__cause__, "sqlstate", "") == READ_ONLY if error is not None else False


def _of_accounts(known: AccountsError, cause: Exception) -> tuple[Envelope, dict[str, str]]:
    headers: dict[str, str] = {}
    if isinstance(known, ServiceUnavailable):
        logger.error("The database could not be used", exc_info=cause)
    if isinstance(known, RetryLater):
        headers["Retry-After"] = str(known.retry_after)
    if isinstance(known, FieldInvalid):
        found = [(known.field, code, message) for code, message in known.problems]
        return _invalid(found), headers
    if STATUSES[known.code] == 401:
        headers["WWW-Authenticate"] = _challenge(presented=isinstance(known, TokenError))
    return failure(known.code, known.message), headers


def _of_drf(error: drf.APIException) -> tuple[Envelope, dict[str, str]]:
    match error:
        case drf.ValidationError():
            return _invalid(list(_flatten(error.get_full_details(), ""))), {}
        case drf.NotAuthenticated():
            headers = {"WWW-Authenticate": _challenge(presented=False)}
            return failure("not_authenticated", str(error.detail)), headers
    return failure(str(error.default_code), str(error.detail)), {}


def _challenge(*, presented: bool) -> str:
    """RFC 6750 section 3: no error code where no credentials were sent."""
    return 'Bearer error="invalid_token"' if presented else "Bearer"


def _invalid(found: list[tuple[str, str, Any]]) -> Envelope:
    errors = [{"field": f or None, "code": code, "message": text} for f, code, text in found]
    return failure(
        "validation_error", found[0][2], field=found[0][0] or None, data={"errors": errors}
    )


def _flatten(details: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    """Yield (field, code, message) of DRF's nested details, fields joined by dots."""
    if isinstance(details, list):
        for item in details:
            yield from _flatten(item, path)
    elif "message" in details and not isinstance(details["message"], dict | list):
        yield path, str(details["code"]), details["message"]
    else:
        for name, inner in details.items():
            here = "" if name == "non_field_errors" else str(name)
            yield from _flatten(inner, f"{path}.{here}" if path and here else path or here)


def _report(request: Any, error: Exception) -> None:
    logger.error("Unhandled error in %s %s", request.method, request.path, exc_info=error)
    got_request_exception.send(sender=None, request=getattr(request, "_request", request))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400: an unknown host, a request that Django itself refuses (``handler400``)."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    if isinstance(exception, RequestDataTooBig):
        return json_response(failure("payload_too_large", PayloadTooLarge.message), 413)
    return json_response(failure("parse_error", _MALFORMED), 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403 (``handler403``)."""
    if not _is_api(request):
        return defaults.permission_denied(request, exception)
    return json_response(failure("permission_denied", PermissionDenied.message), 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404 (``handler404``)."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return json_response(failure("not_found", str(drf.NotFound.default_detail)), 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500, or 503 where the database is what failed (``handler500``)."""
    error = sys.exc_info()[1]
    if _is_away(error):
        known = ServiceUnavailable(RETRY_AFTER)
        if _is_api(request):
            response = json_response(failure(known.code, known.message), 503)
        else:
            response = HttpResponse(str(known.message), status=503, content_type="text/plain")
        response["Retry-After"] = str(known.retry_after)
        return response
    if _is_api(request):
        return json_response(failure("server_error", _SERVER_ERROR), 500)
    return defaults.server_error(request)


def _is_api(request: HttpRequest) -> bool:
    from accounts.api.urls import api_root  # noqa: PLC0415 - views import this module

    return f"{request.path}/".startswith(api_root())
