// The admin API: one way to ask it, and what to do when it does not answer as hoped.

import { kept } from './dom.js';

/** How long an answer may take. */
const WITHIN_MS = 20_000;

/** A request that the gateway answered with a refusal. */
export class Refused extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    Object.assign(this, { status, retryAfter });
  }
}

/** The admin token: kept by this tab alone, and sent in a header alone. */
export const token = {
  value: kept(sessionStorage, 'pushgate.token'),
  set(value) {
    this.value = value;
    kept(sessionStorage, 'pushgate.token', value);
  },
};

let unauthorized = () => {};
/** Says what to do when the gateway wants a token. */
export const onUnauthorized = what => { unauthorized = what };

/** Asks for something; what came of it is the answer itself. */
export async function ask(method, path, { body, signal = AbortSignal.timeout(WITHIN_MS) } = {}) {
  const headers = {};
  if (token.value) headers.authorization = `Bearer ${token.value}`;
  if (body) headers['content-type'] = 'application/json';
  const sent = body && JSON.stringify(body);
  const request = { method, headers, body: sent, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' };
  const answer = await fetch(path, request);
  if (answer.ok) return answer;
  const why = await answer.json().catch(() => null);
  if (answer.status === 401) unauthorized();
  const { field, message } = why?.error || {};
  const text = message ? (field ? `${field}: ${message}` : message) : `the gateway answered HTTP ${answer.status}`;
  throw new Refused(answer.status, text, Number(answer.headers.get('retry-after')) || 0);
}

/** Reads JSON; members that are empty are not asked for. */
export async function get(path, query = {}, numbers = 'doubles') {
  const asked = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const text = new URLSearchParams(asked).toString();
  const answer = await ask('GET', path + (text && `?${text}`));
  return JSON.parse(await answer.text(), numbers === 'exact' ? exact : undefined);
}

export async function post(path, body) {
  const answer = await ask('POST', path, { body });
  return answer.status === 204 ? null : answer.json();
}

/** Keeps a number that a double cannot hold as it was written, where the browser can. */
const exact = (_, value, context) =>
  typeof value === 'number' && context && JSON.rawJSON && String(value) !== context.source ? JSON.rawJSON(context.source) : value;

/** Says what went wrong, and what can be done about it. */
export function explain(error) {
  if (error instanceof Refused) return error.retryAfter ? `${error.message}; try again in ${error.retryAfter} s.` : error.message;
  if (error?.name === 'TimeoutError') return `The gateway has not answered within ${WITHIN_MS / 1000} s; it may be busy. Try again.`;
  if (error instanceof SyntaxError) return 'The answer was cut off or is not of this version; reload the page.';
  return 'The gateway does not answer; look whether it runs and is reached at this address.';
}
