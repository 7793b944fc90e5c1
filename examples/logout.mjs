// Sign in and out with fetch: in a browser, in React Native, in Node 18 or newer.
//
//     AUTHSVC_URL=http://127.0.0.1:8000 EMAIL=... PASSWORD=... node examples/logout.mjs

/** Make a call; resolve to the envelope and its HTTP status, reject when there is no answer. */
async function post(url, path, { token, body }) {
  const headers = {};
  if (token) headers["Authorization"] = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  const options = { method: "POST", headers, body: body && JSON.stringify(body) };
  const response = await fetch(url + path, { ...options, signal: AbortSignal.timeout(10_000) });
  return { status: response.status, ...(await response.json()) };
}

/** Sign this device in and put its tokens into `tokens`. */
export async function signIn(url, tokens, email, password, device) {
  const body = { email, password, device_name: device };
  const answer = await post(url, "/auth/login", { body });
  if (!answer.success) throw new Error(answer.message);
  const { access_token, refresh_token } = answer.data;
  Object.assign(tokens, { access_token, refresh_token });
}

/**
 * Sign out on every device and empty `tokens`.
 *
 * Rejects when the server could not do it: the tokens stay, tell the user and try again.
 */
export async function signOut(url, tokens) {
  let answer = await post(url, "/auth/logout", { token: tokens.access_token });
  if (answer.code === "token_expired") {
    const { refresh_token } = tokens;
    answer = await post(url, "/auth/refresh", { body: { refresh_token } });
    if (answer.success) {
      Object.assign(tokens, answer.data);
      answer = await post(url, "/auth/logout", { token: tokens.access_token });
    }
  }
  // A 401 says that this device had been signed out before.
  if (!answer.success && answer.status !== 401) throw new Error(answer.message);
  for (const name of Object.keys(tokens)) delete tokens[name];
  // Here an app forgets what it has loaded for the user and goes to its sign-in page.
}

if (globalThis.process?.argv[1]?.endsWith("logout.mjs")) {
  const { AUTHSVC_URL, EMAIL, PASSWORD } = process.env;
  const tokens = {};
  await signIn(AUTHSVC_URL, tokens, EMAIL, PASSWORD, "Node");
  await signOut(AUTHSVC_URL, tokens);
  console.log("Signed out on every device");
}
