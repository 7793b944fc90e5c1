"""Shapes: what a body must be, and what the answers' ``data`` are."""

from __future__ import annotations

import zoneinfo
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.api.fields import EmailField, PasswordField, UtcDateTimeField
from accounts.devices import NAME_LENGTH
from accounts.models import AuditEvent, UserSession
from accounts.services.users import PROFILE_FIELDS, has_field
from accounts.tokens import MAX_LENGTH

_is_language_tag = RegexValidator(
    r"\A[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\Z", _("Enter a language tag, such as en or zh-Hans.")
)


class _IdentifiedSerializer(serializers.Serializer[Any]):
    """Has the field people sign in with: ``email``, or a host model's own USERNAME_FIELD."""

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        model = get_user_model()
        name = model.USERNAME_FIELD
        first: serializers.Field[Any, Any, Any, Any] = (
            EmailField(max_length=254)
            if name == model.get_email_field_name()
            else serializers.CharField(
                max_length=getattr(model._meta.get_field(name), "max_length", None)
            )
        )
        return {name: first, **super().get_fields()}

    @property
    def identifier(self) -> str:
        """The value of the field people sign in with."""
        return str(self.validated_data[get_user_model().USERNAME_FIELD])


class RegisterSerializer(_IdentifiedSerializer):
    """The body of POST /auth/register."""

    password = PasswordField()
    name = serializers.CharField(max_length=150, required=False, allow_blank=True, default="")


class LoginSerializer(_IdentifiedSerializer):
    """The body of POST /auth/login."""

    password = PasswordField()
    device_name = serializers.CharField(
        max_length=NAME_LENGTH, required=False, allow_blank=True, default=""
    )
    device_id = serializers.CharField(max_length=128, required=False, allow_blank=True, default="")


class RefreshSerializer(serializers.Serializer[Any]):
    """The body of POST /auth/refresh."""

    refresh_token = serializers.CharField(max_length=MAX_LENGTH)


class RevokeSerializer(serializers.Serializer[Any]):
    """
    The body of POST /auth/revoke; RFC 7009's ``token_type_hint`` may stand in it.

    A token that is too long is none of ours, like any other that is not: no error.
    """

    token = serializers.CharField()


class PasswordChangeSerializer(serializers.Serializer[Any]):
    """The body of POST /auth/password/change."""

    current_password = PasswordField()
    new_password = PasswordField()


class PasswordResetSerializer(serializers.Serializer[Any]):
    """The body of POST /auth/password/reset."""

    email = EmailField(max_length=254)


class PasswordResetConfirmSerializer(serializers.Serializer[Any]):
    """The body of POST /auth/password/reset/confirm: what the mailed link holds."""

    uid = serializers.CharField(max_length=100)
    token = serializers.CharField(max_length=100)
    new_password = PasswordField()


class IdentitySerializer(serializers.Serializer[Any]):
    """``user``: who somebody is."""

    id = serializers.CharField(source="pk", read_only=True)
    email = serializers.SerializerMethodField()
    name = serializers.SerializerMethodField()

    def get_email(self, user: Any) -> str:
        """Return the address, under whatever name the user model keeps it."""
        return str(getattr(user, user.get_email_field_name(), ""))

    def get_name(self, user: Any) -> str:
        """Return the name; a host's model without ``name`` has ``get_full_name``."""
        return str(user.name if has_field("name") else user.get_full_name())


class ProfileSerializer(IdentitySerializer):
    """The ``data`` of GET /auth/profile."""

    locale = serializers.CharField(default="", read_only=True)
    time_zone = serializers.CharField(default="", read_only=True)
    avatar_url = serializers.CharField(default="", read_only=True)
    date_joined = UtcDateTimeField(default=None, read_only=True)


class ProfileChangesSerializer(serializers.Serializer[Any]):
    """The body of PATCH /auth/profile; what is left out stays as it is."""

    name = serializers.CharField(max_length=150, allow_blank=True, required=False)
    locale = serializers.CharField(
        max_length=20, allow_blank=True, required=False, validators=[_is_language_tag]
    )
    time_zone = serializers.CharField(max_length=64, allow_blank=True, required=False)
    avatar_url = serializers.URLField(max_length=500, allow_blank=True, required=False)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Leave out what the project's user model does not have."""
        fields = super().get_fields()
        return {name: fields[name] for name in PROFILE_FIELDS if has_field(name)}

    def validate_time_zone(self, value: str) -> str:
        """Refuse what is no name of the IANA time zone database."""
        if value and value not in zoneinfo.available_timezones():
            raise serializers.ValidationError(
                _("Enter a time zone, such as Asia/Shanghai."), code="invalid"
            )
        return value

    def validate_avatar_url(self, value: str) -> str:
        """Refuse a scheme that a page must not load a picture from."""
        if value and not value.lower().startswith(("https://", "http://")):
            raise serializers.ValidationError(_("Enter an http or https address."), code="invalid")
        return value


class SessionSerializer(serializers.ModelSerializer[UserSession]):
    """``session``: one signed-in device."""

    current = serializers.SerializerMethodField()
    created_at = UtcDateTimeField(read_only=True)
    last_seen_at = UtcDateTimeField(read_only=True)
    expires_at = UtcDateTimeField(source="usable_until", read_only=True)
    ended_at = UtcDateTimeField(read_only=True, allow_null=True)
    end_reason = serializers.SerializerMethodField()

    class Meta:
        model = UserSession
        fields: ClassVar = [
            "id",
            "current",
            "is_active",
            "client",
            "device_name",
            "ip_address",
            "user_agent",
            "created_at",
            "last_seen_at",
            "expires_at",
            "ended_at",
            "end_reason",
        ]
        read_only_fields = fields

    def get_current(self, session: UserSession) -> bool:
        """Tell whether this is the session that asks."""
        return bool(session.pk == self.context.get("current_id"))

    @extend_schema_field(
        serializers.ChoiceField(choices=UserSession.EndReason.choices, allow_null=True)
    )
    def get_end_reason(self, session: UserSession) -> str | None:
        """Return why the session ended, or None."""
        return session.end_reason or None


class TokensSerializer(serializers.Serializer[Any]):
    """The tokens of an app, as RFC 6749 section 5.1 names them."""

    access_token = serializers.CharField(read_only=True)
    refresh_token = serializers.CharField(read_only=True)
    token_type = serializers.CharField(default="Bearer", read_only=True)
    expires_in = serializers.IntegerField(read_only=True)


class SignedInSerializer(TokensSerializer):
    """The ``data`` of POST /auth/login."""

    session = SessionSerializer(read_only=True)
    user = IdentitySerializer(read_only=True)


class EventSerializer(serializers.ModelSerializer[AuditEvent]):
    """``event``: one act of the audit trail."""

    at = UtcDateTimeField(read_only=True)
    reason = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields: ClassVar = [
            "id",
            "type",
            "at",
            "session_id",
            "actor",
            "ip_address",
            "user_agent",
            "reason",
            "count",
        ]
        read_only_fields = fields

    def get_reason(self, event: AuditEvent) -> str | None:
        """Return why, or None."""
        return event.reason or None


class EndedSerializer(serializers.Serializer[Any]):
    """How many sessions an act ended."""

    ended = serializers.IntegerField(read_only=True)
