"""The translations: whole, compiled, and spoken by the API."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polib
import pytest
from django.core import mail
from django.test import RequestFactory

from accounts import mails
from accounts.models import User
from tests import check_messages
from tests.people import Phone

CODE = """
from django.utils.translation import gettext_lazy as _, ngettext
text = _("Hello %(name)s")
texts = ngettext("%(count)d device", "%(count)d devices", 2)
of_another = _(ANOTHER)
"""
TEMPLATE = (
    "{% load i18n %}{% translate 'Sign in' %} {% blocktranslate %}Not now{% endblocktranslate %}"
)
MAIL = "{% load i18n %}{% translate 'Goodbye' %}"


@pytest.mark.parametrize("package", check_messages.PACKAGES)
def test_every_text_is_translated_and_compiled(package: str) -> None:
    assert check_messages.problems(package) == []


def test_the_check_passes_by_itself() -> None:
    command = [sys.executable, "-m", "tests.check_messages"]
    ended = subprocess.run(
        command, cwd=check_messages.ROOT, capture_output=True, text=True, check=False
    )

    assert (ended.returncode, ended.stdout) == (0, ""), ended.stdout


@pytest.mark.parametrize(
    ("language", "message"),
    [("zh-CN", "已退出登录"), ("zh-hans", "已退出登录"), ("de", "Logout successful")],
)
def test_the_api_speaks_the_language_that_is_asked_for(
    alice: User, phone_of: Callable[..., Phone], language: str, message: str
) -> None:
    answer = phone_of(alice).call("post", "/auth/logout", **{"Accept-Language": language})

    assert answer.json()["message"] == message


def test_a_mail_speaks_the_language_of_whom_it_is_for(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(locale="zh-Hans")
    request = RequestFactory().post("/auth/password/reset")

    mails.send_password_reset(User.objects.get(), request).result(10)

    (sent,) = mail.outbox
    assert sent.subject == "设置新密码"
    assert "你将在所有设备上退出登录" in sent.body
    assert "/account/password/reset/" in sent.body


class TestTheCheck:
    @pytest.fixture
    def catalogue(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> polib.POFile:
        """The catalogue of a small package ``app``, in which all is well."""
        monkeypatch.setattr(check_messages, "ROOT", tmp_path)
        path = check_messages.path_of("app", "po")
        path.parent.mkdir(parents=True)
        (tmp_path / "app" / "views.py").write_text(CODE, encoding="utf-8")
        (tmp_path / "app" / "page.html").write_text(TEMPLATE, encoding="utf-8")
        mail = tmp_path / "app" / "templates" / "mail" / "hello.txt"
        mail.parent.mkdir(parents=True)
        mail.write_text(MAIL, encoding="utf-8")
        made = polib.POFile()
        made.fpath = str(path)
        made.metadata = {"Content-Type": "text/plain; charset=UTF-8"}
        devices = {"msgid": "%(count)d device", "msgid_plural": "%(count)d devices"}
        made.extend(
            [
                polib.POEntry(msgid="Hello %(name)s", msgstr="%(name)s，你好"),
                polib.POEntry(**devices, msgstr_plural={0: "%(count)d 台设备"}),
                polib.POEntry(msgid="Sign in", msgstr="登录"),
                polib.POEntry(msgid="Not now", msgstr="以后再说"),
                polib.POEntry(msgid="Goodbye", msgstr="再见"),
            ]
        )
        return made

    @staticmethod
    def problems(catalogue: polib.POFile) -> list[str]:
        """Write and compile the catalogue and return what is wrong with it."""
        catalogue.save()
        catalogue.save_as_mofile(str(check_messages.path_of("app", "mo")))
        return check_messages.problems("app")

    def test_finds_nothing_where_all_is_well(self, catalogue: polib.POFile) -> None:
        assert self.problems(catalogue) == []

    @pytest.mark.parametrize("number", range(5))
    def test_finds_a_text_that_the_catalogue_lacks(
        self, catalogue: polib.POFile, number: int
    ) -> None:
        msgid = catalogue.pop(number).msgid

        (problem,) = self.problems(catalogue)

        assert problem.startswith(f"app: not in the catalogue: ('{msgid}'")

    def test_refuses_a_text_that_no_catalogue_could_have(self, catalogue: polib.POFile) -> None:
        path = check_messages.ROOT / "app" / "views.py"
        path.write_text(f'{CODE}wrong = _(f"Hello {{name}}")', encoding="utf-8")

        with pytest.raises(ValueError, match="malformed node"):
            self.problems(catalogue)

    def test_finds_a_text_that_the_code_has_no_more(self, catalogue: polib.POFile) -> None:
        catalogue.append(polib.POEntry(msgid="Good night", msgstr="晚安"))

        assert self.problems(catalogue) == ["app: not in the code: ('Good night',)"]

    def test_finds_what_is_not_translated(self, catalogue: polib.POFile) -> None:
        catalogue[2].msgstr = ""

        assert "app: 'Sign in' is fuzzy, obsolete or not translated" in self.problems(catalogue)

    def test_finds_what_is_fuzzy(self, catalogue: polib.POFile) -> None:
        catalogue[2].flags.append("fuzzy")

        assert "app: 'Sign in' is fuzzy, obsolete or not translated" in self.problems(catalogue)

    def test_finds_a_translation_without_its_placeholder(self, catalogue: polib.POFile) -> None:
        catalogue[0].msgstr = "你好"

        (problem,) = self.problems(catalogue)

        assert problem == "app: 'Hello %(name)s' has other placeholders in its translation"

    def test_finds_that_the_compiled_form_is_an_old_one(self, catalogue: polib.POFile) -> None:
        self.problems(catalogue)
        catalogue[2].msgstr = "登入"
        catalogue.save()

        assert check_messages.problems("app") == ["app: compile"]
