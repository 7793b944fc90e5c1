"""
Signals for the host project, sent after the commit. Inside the app, calls are explicit.

session_opened   sender=UserSession, session=the new row
sessions_ended   sender=UserSession, user_id=str, reason=str, ended=how many

A receiver that raises is logged by Django and changes nothing.
"""

from django.dispatch import Signal

session_opened = Signal()
sessions_ended = Signal()
