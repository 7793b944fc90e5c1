"""
Our own users, for staff. A project with a user model of its own registers that one itself.

A user who may not sign in any more, or whose password staff has set, is signed out everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import devices, user_cache
from accounts.admin.long_lists import LongListAdmin, Sought
from accounts.admin.people import MOST_PEOPLE, find_people
from accounts.admin.person import SignedInAdmin
from accounts.admin.read_only import as_uuid
from accounts.models import User, UserManager
from accounts.services import passwords, users

if TYPE_CHECKING:
    _Admin = DjangoUserAdmin[User]
    _AddForm = AdminUserCreationForm[User]
    _ChangeForm = UserChangeForm[User]
else:
    _Admin, _AddForm, _ChangeForm = DjangoUserAdmin, AdminUserCreationForm, UserChangeForm

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class UserAddForm(_AddForm):
    """An address and a password."""

    class Meta:
        model = User
        fields = ("email",)

    def clean_email(self) -> str:
        """Return the address in lower case; refuse one that is taken."""
        return _free_email(self)


class UserEditForm(_ChangeForm):
    """Everything that staff may change. The password has a form of its own."""

    # Declared for its scheme, which Django 5.2 asks about and the model field cannot say.
    avatar_url = forms.URLField(
        label=capfirst(_("picture")), max_length=500, required=False, assume_scheme="https"
    )

    class Meta:
        model = User
        fields = "__all__"

    def clean_email(self) -> str:
        """Return the address in lower case; refuse one that is taken."""
        return _free_email(self)


class UserAdmin(SignedInAdmin, LongListAdmin, _Admin):
    """People who sign in with an email address."""

    form = UserEditForm
    add_form = UserAddForm
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        (_("Personal info"), {"fields": ("name", "locale", "time_zone", "avatar_url")}),
        (_("Permissions"), {"fields": ("is_active", *POWERS)}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "classes": ("wide",),
                "fields": ("email", "usable_password", "password1", "password2"),
            },
        ),
    )
    list_display = ("email", "name", "is_active", "is_staff", "date_joined")
    search_fields = ("email", "name")
    search_help_text = _("How an address begins, or a part of an address or a name, or a whole id")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")

    def seek(self, term: str) -> Sought:
        """Find a user by the whole id, else by address or name."""
        if (key := as_uuid(term)) is not None:
            return Sought(Q(pk=key), is_indexed=True)
        people = find_people(term)
        found = Q(pk__in=people[:MOST_PEOPLE])
        return Sought(found, is_indexed=True, is_cut=len(people) > MOST_PEOPLE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes a user here: clearing "active" is the way, and can be undone."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Keep superusers to superusers: setting the password of one would be to become one."""
        if obj is not None and obj.is_superuser and not _is_superuser(request):
            return False
        return super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Let only superusers hand out powers: staff could otherwise give themselves any."""
        return self.readonly_fields if _is_superuser(request) else (*self.readonly_fields, *POWERS)

    def save_model(self, request: HttpRequest, obj: User, form: forms.Form, change: bool) -> None:
        """Write what was changed and no other column; a deactivated user is signed out."""
        with transaction.atomic():
            obj.save(update_fields=_columns(form.changed_data) if change else None)
            if change and "is_active" in form.changed_data:
                switch = users.activate if obj.is_active else users.deactivate
                switch(obj, actor=request.user, device=devices.from_request(request))

            def forget() -> None:
                user_cache.clear([obj.pk])

            transaction.on_commit(forget, robust=True)

    @method_decorator(sensitive_post_parameters())
    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """Set a password by Django's own form, and sign the user out everywhere."""
        user = self.get_object(request, unquote(id)) if request.method == "POST" else None
        if user is None:
            return super().user_change_password(request, id, form_url)
        with transaction.atomic():
            # Under the lock, so that only what the form has written makes a difference.
            before = _lock_password(user)
            response = super().user_change_password(request, id, form_url)
            if _lock_password(user) != before:
                device = devices.from_request(request)
                passwords.end_after_set(user, actor=request.user, device=device)
        return response


def _free_email(form: UserAddForm | UserEditForm) -> str:
    """Asked before the constraints are, which speak of themselves and not of an address."""
    email = UserManager.normalize_email(form.cleaned_data["email"])
    if User.objects.exclude(pk=form.instance.pk).filter(email=email).exists():
        raise form.instance.unique_error_message(User, ("email",))
    return email


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _columns(changed: list[str]) -> list[str]:
    """Return what a form has to write itself: the active flag has a service of its own."""
    columns = [name for name in changed if name != "is_active"]
    return [name for name in columns if not User._meta.get_field(name).many_to_many]


def _lock_password(user: User) -> str:
    stored = User.objects.select_for_update(no_key=True).filter(pk=user.pk)
    return stored.values_list("password", flat=True).get()


if get_user_model() is User:
    admin.site.register(User, UserAdmin)
