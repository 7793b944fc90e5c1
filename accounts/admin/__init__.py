"""For staff: who is signed in where, signing them out, the audit trail, and our own users."""

from django.contrib import admin

from accounts.admin import audit, overview, own_password, sessions, users
from accounts.web.forms import AdminSignInForm

# The same limits on guessing as at every other door, and the same end of the other sessions.
admin.site.login_form = AdminSignInForm
admin.site.password_change = own_password.change_own_password  # type: ignore[method-assign, assignment]
overview.put_on(admin.site)

__all__ = ["audit", "overview", "own_password", "sessions", "users"]
