"""What a page answers where something was refused."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.api.errors import STATUSES
from accounts.exceptions import AccountsError, RetryLater
from accounts.web import texts


def status_of(error: AccountsError) -> int:
    """Return the status for ``error``; 400 instead of a 401, which would ask for a challenge."""
    status = STATUSES[error.code]
    return 400 if status == 401 else status


def set_retry_after(response: HttpResponse, error: AccountsError | None) -> HttpResponse:
    """Say in the response when to try again, if ``error`` tells; return the response."""
    if isinstance(error, RetryLater):
        response["Retry-After"] = str(error.retry_after)
    return response


def page(request: HttpRequest, error: AccountsError) -> HttpResponse:
    """Return a page that says what ``error`` is."""
    context = {"message": texts.of_error(error)}
    response = render(request, "accounts/problem.html", context, status=status_of(error))
    return set_retry_after(response, error)
