// A client for web apps, React Native and Node: it signs in, makes calls, listens for its end, and
// forgets everything when it comes. In a browser:
//
//     import { Client } from "./authsvc.mjs";
//
//     const client = new Client("https://auth.example.com", {
//       onSignedOut: () => { queryClient.clear(); location.replace("/sign-in"); },
//       onSessionsChanged: () => showDevices(),
//     });
//     await client.signIn("ada@example.com", password, "Firefox on the desk");
//     client.listen();
//     const profile = await client.call("GET", "/auth/profile");
//
// To try it with Node 20.10 or newer:
//
//     AUTHSVC_URL=… EMAIL=… PASSWORD=… node --experimental-websocket examples/authsvc.mjs

const TIMEOUT = 10_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** The server refused. `code` is for programs, `message` for people, `retryAfter` in seconds. */
export class CallFailed extends Error {
  constructor(response, { code, message, field, data }) {
    super(message);
    const retryAfter = Number(response.headers.get("Retry-After")) || null;
    Object.assign(this, { status: response.status, code, field, data, retryAfter });
  }
}

/** One signed-in device. Tokens are kept in memory; `keep` is told them, and null at the end. */
export class Client {
  #url;
  #on;
  #session = null;

  constructor(url, { onSignedOut, onSessionsChanged, keep } = {}) {
    const nothing = () => {};
    this.#url = url.replace(/\/$/, "");
    this.#on = {
      signedOut: onSignedOut ?? nothing,
      sessionsChanged: onSessionsChanged ?? nothing,
      keep: keep ?? nothing,
    };
  }

  get isSignedIn() {
    return this.#session !== null;
  }

  /** Sign this device in; resolve to the user. */
  async signIn(email, password, device) {
    const body = { email, password, device_name: device };
    const answer = await this.#send("POST", "/auth/login", { body });
    this.resume(answer);
    return answer.user;
  }

  /** Go on with tokens that were kept; whatever session this client had before is left alone. */
  resume({ access_token, refresh_token }) {
    this.#stop(this.#session);
    this.#session = {
      tokens: { access_token, refresh_token },
      refreshing: null,
      aborting: new AbortController(),
      socket: null,
      tries: 0,
      retry: 0,
    };
    this.#on.keep(this.#session.tokens);
  }

  /**
   * Make a call and resolve to its data. An access token that has expired is exchanged on the way.
   *
   * Rejects with CallFailed when the server refused, with anything else when nobody answered.
   */
  async call(method, path, body) {
    const session = this.#session;
    if (!session) throw new Error("Nobody is signed in.");
    const { signal } = session.aborting;
    const tokens = session.tokens;
    try {
      return await this.#send(method, path, { body, tokens, signal });
    } catch (error) {
      if (error.code !== "token_expired") throw this.#judged(session, error);
    }
    if (session.tokens === tokens) await this.#refresh(session);
    try {
      return await this.#send(method, path, { body, tokens: session.tokens, signal });
    } catch (error) {
      throw this.#judged(session, error);
    }
  }

  /** Sign out on every device. Rejects when that was not done: the user is still signed in. */
  async signOut() {
    const session = this.#session;
    if (!session) return;
    try {
      await this.call("POST", "/auth/logout");
    } catch (error) {
      // Ended meanwhile: by the refusal itself, or because the socket was faster than the answer.
      if (this.#session === session) throw error;
    }
    this.#end(session, "logout_all");
  }

  /** Listen for the end of this session, and for what becomes of the user's others, until then. */
  listen() {
    const session = this.#session;
    if (!session || session.socket) return;
    const address = `${this.#url.replace(/^http/, "ws")}/ws/sessions`;
    const bearer = `bearer.${session.tokens.access_token}`;
    const socket = (session.socket = new WebSocket(address, ["authsvc.v1", bearer]));
    socket.addEventListener("message", ({ data }) => this.#hear(session, JSON.parse(data)));
    socket.addEventListener("close", ({ code }) => this.#reconnect(session, socket, code));
    // Before a close with nothing to tell; Node 20 leaves it at the error where nobody listens.
    socket.addEventListener("error", () => this.#reconnect(session, socket));
  }

  #hear(session, message) {
    if (message.type === "session.ended") {
      this.#end(session, message.reason);
    } else if (message.type === "ready") {
      session.tries = 0;
      // Something may have changed while nobody listened.
      this.#on.sessionsChanged();
    } else if (message.type === "sessions.changed") {
      this.#on.sessionsChanged();
    }
  }

  #reconnect(session, socket, code) {
    if (this.#session !== session || session.socket !== socket) return;
    session.socket = null;
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** session.tries);
    session.tries += 1;
    session.retry = setTimeout(async () => {
      // Closed without a word of an end: the access token has expired. Who cannot be asked now is
      // asked again; that a socket is gone says nothing of the session.
      if (code === 4401) await this.#refresh(session).catch(() => {});
      if (this.#session === session) this.listen();
    }, pause * (0.5 + Math.random() / 2));
  }

  /** Exchange the refresh token; whoever calls meanwhile waits for the same answer. */
  #refresh(session) {
    const { refresh_token } = session.tokens;
    session.refreshing ??= this.#send("POST", "/auth/refresh", { body: { refresh_token } })
      .then(({ access_token, refresh_token }) => {
        session.tokens = { access_token, refresh_token };
        if (this.#session === session) this.#on.keep(session.tokens);
      })
      .catch((error) => {
        // Whatever the code: with this token there is no coming back.
        if (error.status === 401) this.#end(session, error.code);
        throw error;
      })
      .finally(() => {
        session.refreshing = null;
      });
    return session.refreshing;
  }

  /** A 401 says that the session has ended; no other answer, and no silence, does. */
  #judged(session, error) {
    if (error.status === 401 && error.code !== "token_expired") this.#end(session, error.code);
    return error;
  }

  /** Forget the session and say so. A second time it does nothing. */
  #end(session, reason) {
    if (this.#session !== session) return;
    this.#stop(session);
    this.#on.keep(null);
    this.#on.signedOut(reason);
  }

  /** Stop what still runs with the session's tokens: calls, the socket, timers. */
  #stop(session) {
    this.#session = null;
    clearTimeout(session?.retry);
    session?.aborting.abort();
    session?.socket?.close();
  }

  async #send(method, path, { body, tokens, signal }) {
    const timeout = AbortSignal.timeout(TIMEOUT);
    const headers = {};
    if (tokens) headers["Authorization"] = `Bearer ${tokens.access_token}`;
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(this.#url + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "omit",
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
    const answer = await response.json();
    if (!answer.success) throw new CallFailed(response, answer);
    return answer.data;
  }
}

if (globalThis.process?.argv[1]?.endsWith("authsvc.mjs")) {
  const { AUTHSVC_URL, EMAIL, PASSWORD } = process.env;
  const client = new Client(AUTHSVC_URL, {
    onSignedOut: (reason) => console.log(`Signed out: ${reason}`),
    onSessionsChanged: () => console.log("Look at GET /auth/sessions"),
  });
  await client.signIn(EMAIL, PASSWORD, "Node");
  client.listen();
}
