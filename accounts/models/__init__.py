"""The facts: who there is, which devices are signed in, what happened."""

from accounts.models.attempts import Attempt
from accounts.models.audit import AuditEvent
from accounts.models.sessions import UserSession
from accounts.models.users import User, UserManager

__all__ = ["Attempt", "AuditEvent", "User", "UserManager", "UserSession"]
