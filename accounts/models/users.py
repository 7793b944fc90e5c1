"""A person who signs in. Projects with a user model of their own do without this one."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.models import PermissionsMixin
from django.core.mail import send_mail
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from uuid_utils.compat import uuid7


class UserManager(BaseUserManager["User"]):
    """Makes users, and finds them by address without regard to case."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is stored: in lower case, so that a unique index compares it."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with this address, whatever its case; raise User.DoesNotExist."""
        return self.get(email=self.normalize_email(username))

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a user; without a password one that cannot sign in with one."""
        if not email:
            raise ValueError("A user needs an email address.")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Make a user who may do everything, for ``manage.py createsuperuser``."""
        return self.create_user(
            email, password, **(fields | {"is_staff": True, "is_superuser": True})
        )


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in with an email address. A project may use another model instead."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField(
        _("email address"),
        unique=True,
        error_messages={"unique": _("This email address is already taken.")},
    )
    name = models.CharField(_("name"), max_length=150, blank=True)
    locale = models.CharField(_("language"), max_length=20, blank=True)
    time_zone = models.CharField(_("time zone"), max_length=64, blank=True)
    avatar_url = models.URLField(_("picture"), max_length=500, blank=True)
    is_staff = models.BooleanField(
        _("staff status"), default=False, help_text=_("May sign in to the administration.")
    )
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Clear this instead of deleting a user.")
    )
    date_joined = models.DateTimeField(_("date joined"), default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        swappable = "AUTH_USER_MODEL"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints: ClassVar = [
            # Whoever writes past the manager cannot make a second account of the same address.
            models.UniqueConstraint(Lower("email"), name="users_email_caseless_unique"),
        ]

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """Store the address in lower case, also when a form wrote it."""
        super().clean()
        self.email = UserManager.normalize_email(self.email)

    def get_full_name(self) -> str:
        """Return the name, or the address where there is none."""
        return self.name or self.email

    def get_short_name(self) -> str:
        """Return the first word of the name, or the address where there is none."""
        return self.name.split(" ", 1)[0] or self.email

    def check_password(self, raw_password: str | None) -> bool:
        """
        Tell whether this is the password, and rehash it when the hasher's parameters have changed.

        Django's own upgrade saves whatever it holds. A login in flight would so write the old
        password back over one that was changed meanwhile; this one writes only over the hash it
        has verified.
        """

        def upgrade(password: str) -> None:
            verified, self.password = self.password, make_password(password)
            rows = type(self).objects.filter(pk=self.pk)
            if not rows.filter(password=verified).update(password=self.password):
                # If another login has rehashed the same password first, its hash is the one.
                stored = rows.values_list("password", flat=True).first() or ""
                if check_password(password, stored):
                    self.password = stored

        return check_password(raw_password, self.password, upgrade)

    def email_user(self, subject: str, message: str, **options: Any) -> None:
        """Send a mail to this user's address."""
        send_mail(subject, message, None, [self.email], **options)
