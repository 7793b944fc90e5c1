"use strict";

// The list of devices, live. Without this script the page works by links and forms.
//
// The socket says that something has changed, and the list is fetched from the server. While
// there is no socket the list is fetched every POLL milliseconds.

(() => {
  const POLL = 30000;
  const RETRY_MAX = 30000;
  const LEAVING = 10000;

  const state = document.getElementById("live");
  const announcer = document.getElementById("announcer");
  const dialog = document.getElementById("dialog");
  // The reader's own variety of the page's language: dates are written differently.
  const written = document.documentElement.lang;
  const language =
    navigator.languages.find((tag) => tag.slice(0, 2) === written.slice(0, 2)) || written;

  let socket = null;
  let tries = 0;
  let retry = 0;
  let leaving = false;
  let opener = "";

  // Times, in the reader's own zone

  const exact = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
  const day = new Intl.DateTimeFormat(language, { dateStyle: "long" });
  const relative = new Intl.RelativeTimeFormat(language, { numeric: "always" });
  const UNITS = [["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];

  function tell(root) {
    for (const time of root.querySelectorAll("time")) {
      const moment = new Date(time.dateTime);
      time.title = exact.format(moment);
      if (time.className === "on") {
        time.textContent = day.format(moment);
        continue;
      }
      const seconds = (Date.now() - moment) / 1000;
      const unit = UNITS.find(([, length]) => seconds >= length);
      if (unit) time.textContent = relative.format(-Math.floor(seconds / unit[1]), unit[0]);
    }
  }

  // The list

  async function refresh() {
    if (leaving) return;
    let answer;
    try {
      answer = await fetch(state.dataset.list, { headers: { Accept: "text/html" }, cache: "no-store" });
    } catch {
      return;
    }
    if (leaving) return;
    if (answer.redirected) {
      leave(answer.url);
    } else if (answer.ok) {
      show(await answer.text());
    }
  }

  function show(html) {
    const old = document.getElementById("devices");
    const fresh = new DOMParser().parseFromString(html, "text/html").getElementById("devices");
    if (!fresh) return;
    tell(fresh);
    const changed = names(fresh) !== names(old);
    const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
    old.replaceWith(document.adoptNode(fresh));
    if (focused) (document.getElementById(focused) || document.getElementById("main")).focus();
    if (changed) announcer.textContent = fresh.dataset.announce;
  }

  function names(list) {
    return [...list.querySelectorAll("[data-confirm]")].map((link) => link.id).join();
  }

  function leave(url) {
    leaving = true;
    location.replace(url);
  }

  // The socket

  function connect() {
    clearTimeout(retry);
    if (leaving || socket?.readyState < WebSocket.CLOSING) return;
    const scheme = location.protocol === "https:" ? "wss://" : "ws://";
    socket = new WebSocket(`${scheme}${location.host}/ws/sessions`);
    socket.addEventListener("message", (event) => hear(JSON.parse(event.data)));
    socket.addEventListener("close", () => {
      mark(false);
      // Whether the session has ended or only the socket, the list's answer tells.
      if (tries === 0) refresh();
      tries += 1;
      retry = setTimeout(connect, Math.min(RETRY_MAX, 500 * 2 ** tries) * (0.75 + Math.random() / 2));
    });
  }

  function hear(message) {
    if (leaving) return;
    if (message.type === "session.ended") {
      leave(`${state.dataset.signedOut}?reason=${encodeURIComponent(message.reason)}`);
    } else if (message.type === "sessions.changed") {
      refresh();
    } else if (message.type === "ready") {
      tries = 0;
      mark(true);
      refresh();
    }
  }

  function mark(live) {
    state.hidden = false;
    state.classList.toggle("up", live);
  }

  // Asking first

  function ask(link) {
    const template = document.getElementById(`confirm-${link.dataset.confirm}`);
    dialog.replaceChildren(template.content.cloneNode(true));
    dialog.querySelector("form").action = link.href;
    const row = link.closest("li");
    if (row) {
      dialog.querySelector(".device").append(
        ...[...row.children].filter((part) => part !== link).map((part) => part.cloneNode(true)),
      );
      for (const part of dialog.querySelectorAll(".device [id]")) part.removeAttribute("id");
    }
    opener = link.id;
    dialog.showModal();
    dialog.querySelector("[data-close]").focus();
  }

  document.addEventListener("click", (event) => {
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const link = event.target.closest("[data-confirm]");
    if (link) {
      event.preventDefault();
      ask(link);
    } else if (event.target === dialog || event.target.closest("dialog [data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("close", () => document.getElementById(opener)?.focus());

  // The answer to the form comes, and takes the cookie back; the socket must not be faster.
  document.addEventListener("submit", () => {
    leaving = true;
    setTimeout(() => { leaving = false; refresh(); connect(); }, LEAVING);
  });

  addEventListener("online", connect);
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && socket?.readyState !== WebSocket.OPEN) { refresh(); connect(); }
  });
  setInterval(() => {
    if (socket?.readyState !== WebSocket.OPEN) refresh();
    else tell(document);
  }, POLL);

  tell(document);
  mark(false);
  connect();
})();
