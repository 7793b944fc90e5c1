"""Users of a host's own making: they have a handle and no email address."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models


class PersonManager(BaseUserManager["Person"]):
    """Makes people, as Django's documentation says."""

    def create_user(self, handle: str, password: str | None = None, **fields: Any) -> Person:
        """Make a person."""
        person = self.model(handle=handle, **fields)
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser, PermissionsMixin):
    """Somebody with a handle."""

    handle = models.CharField(
        max_length=30, unique=True, validators=[RegexValidator(r"\A[\w.@-]+\Z")]
    )
    name = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects: ClassVar[PersonManager] = PersonManager()

    USERNAME_FIELD = "handle"

    def __str__(self) -> str:
        return self.handle
