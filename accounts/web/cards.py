"""What the pages show of a signed-in device."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import UserSession
from accounts.web import texts
from accounts.web.places import place_of

# Tried in this order: an Android tablet is an Android without "Mobile", and an iPad may say both.
KINDS = (
    (
        "tablet",
        re.compile(r"iPad|Tablet|PlayBook|Silk/|Android(?!.*Mobile)(?=.*Mozilla|.*AppleWebKit)"),
    ),
    ("phone", re.compile(r"iPhone|iPod|Mobile|Android|okhttp|CFNetwork|Dart/")),
    ("computer", re.compile(r"Windows|Macintosh|Linux|X11|CrOS")),
)
KIND_NAMES = {
    "tablet": _("Tablet"),
    "phone": _("Phone"),
    "computer": _("Computer"),
    "app": _("App"),
}


@dataclass(frozen=True, slots=True)
class Card:
    """One device: ``kind`` names its icon, ``place`` is empty where it is not known."""

    id: UUID
    name: str
    kind: str
    kind_name: str
    place: str
    ip_address: str
    signed_in_at: dt.datetime
    last_seen_at: dt.datetime
    last_seen: str
    is_current: bool


def card_of(session: UserSession, *, current_id: UUID) -> Card:
    """Return what to show of ``session`` on the device whose session is ``current_id``."""
    kind = kind_of(session.user_agent)
    return Card(
        id=session.pk,
        name=session.device_name or gettext("Unknown device"),
        kind=kind,
        kind_name=str(KIND_NAMES[kind]),
        place=place_of(session.ip_address),
        ip_address=session.ip_address or "",
        signed_in_at=session.created_at,
        last_seen_at=session.last_seen_at,
        last_seen=texts.ago(session.last_seen_at),
        is_current=session.pk == current_id,
    )


def cards_of(sessions: Iterable[UserSession], *, current_id: UUID) -> list[Card]:
    """Return the cards in the order of ``sessions``, the current one before all others."""
    cards = [card_of(session, current_id=current_id) for session in sessions]
    return sorted(cards, key=lambda card: not card.is_current)


def kind_of(user_agent: str) -> str:
    """Return "phone", "tablet", "computer" or, for what tells nothing of itself, "app"."""
    return next((kind for kind, sign in KINDS if sign.search(user_agent)), "app")
