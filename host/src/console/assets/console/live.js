// The stream of ticks, a second apart, and what is told while there is none.

import { $ } from './dom.js';
import { ask, explain, Refused, token } from './api.js';
import { trouble } from './route.js';
import { signedOut } from './session.js';
import { clock, now, setNow } from './words.js';

/** A stream without a byte for so long is dead. */
const QUIET_MS = 10_000;
/** Between two tries: doubled from the first to the last. */
const FIRST_WAIT_MS = 1000, LAST_WAIT_MS = 16_000;

/** The newest tick, and whether the page follows. */
export const live = { tick: null, held: false };

let stream = null, wait = FIRST_WAIT_MS, since = null, listener = () => {}, retry;

/** Says who is told of each tick: `(tick, before, resumed)`. */
export const onTick = what => { listener = what };

/** What the light in the header says: `live`, `wait`, `held` or `off`. */
function light(on, text) {
  const lamp = $('#live');
  lamp.dataset.on = on;
  lamp.lastElementChild.textContent = text;
  lamp.setAttribute('aria-pressed', on === 'live');
}

/** Follows from now on. */
export async function follow() {
  halt();
  live.held = false;
  const mine = stream = new AbortController();
  light('wait', since === null ? 'connecting' : 'reconnecting');
  let quiet, failure = null;
  const alive = () => { clearTimeout(quiet); quiet = setTimeout(() => mine.abort(), QUIET_MS) };
  try {
    alive();
    const answer = await ask('GET', '/api/live', { signal: mine.signal });
    $('#out').hidden = !token.value;
    let resumed = true;
    for await (const data of events(answer.body, alive)) {
      wait = FIRST_WAIT_MS;
      light('live', 'live');
      trouble('live', null);
      const before = live.tick;
      live.tick = JSON.parse(data);
      since = live.tick.time;
      setNow(since);
      listener(live.tick, before, resumed);
      resumed = false;
    }
  } catch (error) {
    failure = error;
  }
  clearTimeout(quiet);
  if (mine === stream && !live.held && !document.hidden && !signedOut()) again(failure);
}

function again(failure) {
  light('wait', 'reconnecting');
  const pause = failure instanceof Refused ? Math.max(wait, failure.retryAfter * 1000) : wait;
  const from = since === null ? '' : `; what is shown is from ${clock(since)} UTC`;
  const away = `The gateway does not answer${from}. Look whether it runs: it is asked again every few seconds.`;
  trouble('live', failure instanceof Refused ? explain(failure) : away);
  clearTimeout(retry);
  retry = setTimeout(follow, pause);
  wait = Math.min(wait * 2, LAST_WAIT_MS);
}

/** Reads a stream of events and yields the data of each. */
async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = ''; ;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    rest += value;
    const whole = rest.split('\n\n');
    rest = whole.pop();
    for (const event of whole) {
      const lines = event.split('\n').filter(line => line.startsWith('data:'));
      if (lines.length) yield lines.map(line => line.slice(5)).join('\n');
    }
  }
}

/** Stops following. */
export function halt() {
  clearTimeout(retry);
  stream?.abort();
  stream = null;
}

/** Stops at what is shown, or follows again. */
export function hold(on) {
  if (!on) return follow();
  live.held = true;
  halt();
  trouble('live', null);
  light('held', `held at ${clock(now())}`);
}

/** Forgets what was seen. */
export function forget() {
  halt();
  live.tick = since = null;
  trouble('live', null);
  light('off', 'signed out');
}

$('#live').addEventListener('click', () => hold(!live.held));
$('#trouble button').addEventListener('click', () => { wait = FIRST_WAIT_MS; if (!signedOut()) follow() });
// A tab that nobody sees asks for nothing.
document.addEventListener('visibilitychange', () => {
  if (live.held || signedOut()) return;
  if (document.hidden) halt(); else follow();
});
