"""What can go wrong, in the words of the contract."""

from __future__ import annotations

import pytest

from accounts.api.errors import STATUSES
from accounts.exceptions import (
    AccountsError,
    FieldInvalid,
    HttpsRequired,
    RegistrationClosed,
    ServiceUnavailable,
    Throttled,
)


def leaves(kind: type[AccountsError] = AccountsError) -> list[type[AccountsError]]:
    """Return every error that has a code."""
    below = [leaf for inner in kind.__subclasses__() for leaf in leaves(inner)]
    return [kind, *below] if hasattr(kind, "code") else below


@pytest.mark.parametrize("error", leaves())
def test_every_code_has_a_status(error: type[AccountsError]) -> None:
    assert error.code in STATUSES


def test_an_error_has_a_message_of_its_own_or_the_one_it_is_given() -> None:
    assert str(HttpsRequired().message) == "HTTPS is required."
    assert str(HttpsRequired("Not like this.").message) == "Not like this."
    assert str(HttpsRequired("Not like this.")) == "https_required"


def test_a_special_case_keeps_the_code_of_the_general_one() -> None:
    assert RegistrationClosed.code == "permission_denied"


def test_a_field_that_is_wrong_says_first_what_it_says_first() -> None:
    error = FieldInvalid("password", [("short", "Too short."), ("common", "Too common.")])

    assert (error.field, error.message) == ("password", "Too short.")


@pytest.mark.parametrize(("given", "told"), [(-1, 1), (0, 1), (1, 1), (60, 60)])
@pytest.mark.parametrize("error", [Throttled, ServiceUnavailable])
def test_later_is_never_at_once(
    error: type[Throttled | ServiceUnavailable], given: int, told: int
) -> None:
    assert error(given).retry_after == told
