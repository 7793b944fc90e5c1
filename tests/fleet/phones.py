"""
Phones that keep the rules of docs/reliability.md, and some that break one.

    1. Store the tokens of a refresh before you use them.
    2. One refresh at a time for each storage.
    3. Read the storage again when it is your turn, and before every retry.
    4. Where no answer comes, retry with the token that is stored. An answer that comes after you
       have given up is not for you any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from accounts import tokens
from accounts.models import User, UserSession
from accounts.services.sessions import EndReason, end_sessions, open_session
from accounts.tokens import TokenPair
from tests.fleet.world import PATIENCE, PHONE, Answer, Call, Program, Sleep, World

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
# How long somebody leaves a phone alone, and how often: mostly for minutes, now and then for days.
LEFT_ALONE = ((0.2, 30 * MINUTE), (0.85, 12 * HOUR), (1.0, 4 * DAY))
# How likely it is that somebody logs out everywhere on another device, at each act.
LOGOUTS = 0.004
# Refresh so long before the access token expires.
MARGIN = 30.0


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the storage: the tokens, whose they are, until when the access token is good."""

    session: UserSession
    pair: TokenPair
    good_until: float


class Phone:
    """A storage, and the app, or the two tabs, that share it."""

    def __init__(self, world: World, user: User, app_class: type[App], apps: int) -> None:
        self.world, self.user = world, user
        self.turn: App | None = None
        self.world.happened["phones"] += 1
        self.sign_in()
        for _app in range(apps):
            app_class(self).start()

    def sign_in(self) -> None:
        """Sign in with the password, at the services."""
        session = open_session(self.user, client=UserSession.Client.APP, device=PHONE)
        self.store(session, tokens.issue(session))

    def store(self, session: UserSession, pair: TokenPair) -> None:
        """Write both tokens, at once."""
        self.kept = Kept(session, pair, self.world.now + pair.expires_in - MARGIN)

    def is_refused(self, kept: Kept) -> None:
        """Find out whether it was rightly so; sign in again, unless that has been done."""
        if kept.session is not self.kept.session:
            return
        row = UserSession.objects.get(pk=kept.session.pk)
        is_expired = row.is_active and not row.is_usable(timezone.now())
        self.world.happened[f"ended: {'expired' if is_expired else row.end_reason}"] += 1
        self.sign_in()

    def is_signed_out_elsewhere(self) -> None:
        """Let somebody log out everywhere, on another device."""
        end_sessions(
            UserSession.objects.of(self.user), reason=EndReason.LOGOUT_ALL, actor=self.user
        )


class App:
    """One app, or one tab, that keeps the rules."""

    breaks = ""

    def __init__(self, phone: Phone) -> None:
        self.phone, self.world = phone, phone.world
        self._waiting = 0

    def start(self) -> None:
        """Be opened, some time after the last time."""
        self._program = self._live()
        self.world.after(self.world.chance.uniform(0.1, 20 * MINUTE), lambda: self._go_on(None))

    def _go_on(self, answer: Answer | None) -> None:
        """Do the next thing, unless the system kills the app, as it does when it likes."""
        if self.world.happens("apps killed", self.world.network.killed):
            self._program.close()
            self.start()
            return
        step = self._program.send(answer)
        self._waiting += 1
        waiting = self._waiting

        def resume(answer: Answer | None) -> None:
            # Only the first that comes: a second answer, or one after the patience, is dropped.
            if self._waiting == waiting:
                self._waiting += 1
                self._go_on(answer)

        if isinstance(step, Sleep):
            self.world.after(step.seconds, lambda: resume(None))
        else:
            self.world.send(step, resume)
            self.world.after(PATIENCE, lambda: resume(None))

    def _live(self) -> Program:
        """Be used, then left alone, again and again."""
        while True:
            yield from self._act()
            self.world.happened["acts"] += 1
            dice, chance = self.world.chance.random(), self.world.chance
            yield Sleep(next(chance.uniform(1, most) for p, most in LEFT_ALONE if dice < p))

    def _act(self) -> Program:
        """Make a request, with new tokens if need be."""
        if self.world.happens("logouts elsewhere", LOGOUTS):
            self.phone.is_signed_out_elsewhere()
        if self._is_stale():
            yield from self._renew()
        kept = self._read()
        answer = yield Call(kept.pair.access_token, is_refresh=False)
        if answer is not None and answer.code:
            self.phone.is_refused(kept)

    def _renew(self) -> Program:
        """Refresh until there is something new in the storage, whoever put it there."""
        yield from self._take_turn()
        try:
            while self._is_stale():
                kept = self._read()
                answer = yield Call(kept.pair.refresh_token, is_refresh=True)
                if answer is None:
                    yield Sleep(self.world.chance.uniform(0.5, 3 * MINUTE))
                elif answer.pair is None:
                    self.phone.is_refused(kept)
                else:
                    yield from self._keep(kept, answer.pair)
        finally:
            self.phone.turn = None

    def _take_turn(self) -> Program:
        while self.phone.turn is not None:
            yield Sleep(0.5)
        self.phone.turn = self

    def _is_stale(self) -> bool:
        return self.world.now >= self._read().good_until

    def _read(self) -> Kept:
        return self.phone.kept

    def _keep(self, kept: Kept, pair: TokenPair) -> Program:
        """Store what came; only then use it."""
        self.phone.store(kept.session, pair)
        yield Sleep(0.01)


class UsesBeforeItStores(App):
    """Breaks the first rule."""

    breaks = "uses tokens before it stores them"

    def _keep(self, kept: Kept, pair: TokenPair) -> Program:
        yield Call(pair.access_token, is_refresh=False)
        self.phone.store(kept.session, pair)


class RemembersItsOwn(App):
    """Breaks the third rule: it reads the storage when it is opened, and then no more."""

    breaks = "does not read the storage again"

    def start(self) -> None:
        """Be opened, and read the storage."""
        self._memory = self.phone.kept
        super().start()

    def _read(self) -> Kept:
        if self._memory.session is not self.phone.kept.session:
            # It was shown the door, and the person has signed in again.
            self._memory = self.phone.kept
        return self._memory

    def _keep(self, kept: Kept, pair: TokenPair) -> Program:
        yield from super()._keep(kept, pair)
        self._memory = self.phone.kept


class DoesNotWaitItsTurn(App):
    """Breaks the second rule."""

    breaks = "does not refresh one at a time"

    def _take_turn(self) -> Program:
        yield Sleep(0)
