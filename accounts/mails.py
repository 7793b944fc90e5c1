"""
Mails to users, sent by threads of their own.

Whoever asks for a password mail must not tell from the time of the answer whether one was sent,
nor from an error of the mail server. What goes wrong is logged as an error; the user asks again.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from django.core.mail import send_mail
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, gettext, override
from rest_framework.request import Request

from accounts.conf import get_settings
from accounts.services import passwords

logger = logging.getLogger(__name__)

# Mails wait in a queue; what may get into it is limited by accounts.services.limits.
_senders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="accounts-mail")


def send_password_reset(user: Any, request: HttpRequest | Request) -> Future[None]:
    """Mail ``user`` a link to set another password; return at once what tells when it was sent."""
    uid, token = passwords.reset_link_parts(user)
    template = get_settings().password_reset_url
    link = (
        template.format(uid=uid, token=token)
        if template
        else request.build_absolute_uri(
            reverse("accounts_web:password-reset-confirm", args=[uid, token])
        )
    )
    language = getattr(user, "locale", "") or get_language()
    address = getattr(user, user.get_email_field_name())
    sent = _senders.submit(_send_password_reset, address, link, language)
    sent.add_done_callback(_report)
    return sent


def _send_password_reset(address: str, link: str, language: str | None) -> None:
    with override(language):
        body = render_to_string("accounts/mail/password_reset.txt", {"link": link})
        send_mail(gettext("Set a new password"), body, None, [address])


def _report(sent: Future[None]) -> None:
    error = sent.exception()
    if error is not None:
        logger.error("A password mail could not be sent", exc_info=error)
