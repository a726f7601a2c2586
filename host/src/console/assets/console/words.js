// How numbers, times and states are put.

import { el, seen } from './dom.js';

const two = n => String(n).padStart(2, '0');

let ahead = 0;
/** The gateway's clock, as well as it is known. */
export const now = () => Date.now() + ahead;
export const setNow = ms => { ahead = ms - Date.now() };

/** A whole number in groups of three. */
export const count = n => n === null || n === undefined ? '–' : Number(n).toLocaleString('en').replaceAll(',', '\u202f');

/** A number that is measured: two digits that matter. */
export const brief = (n, unit = '') =>
  n === null || n === undefined ? '–' : (n < 10 && n % 1 ? String(+n.toFixed(n < 0.1 ? 2 : 1)) : count(Math.round(n))) + unit;

export const bytes = n => n === undefined || n === null ? '' : n < 1024 ? `${n} bytes` : `${(n / 1024).toFixed(1)} KiB`;

/** A length of time. */
export function span(ms) {
  const sec = Math.abs(ms) / 1000;
  if (sec < 0.9995) return `${Math.round(ms)} ms`;
  if (sec < 10) return `${+(ms / 1000).toFixed(2)} s`;
  if (sec < 90) return `${Math.round(ms / 1000)} s`;
  if (sec < 5400) return `${Math.round(ms / 60_000)} min`;
  return sec < 172_800 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}

const iso = ms => {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
};
/** The time of the day, UTC. */
export const clock = (ms, precision = 'seconds') => iso(ms).slice(11, { minutes: 16, seconds: 19, millis: 23 }[precision]);
/** The day and the time, UTC. */
export const moment = ms => iso(ms).replace('T', ' ').slice(0, 23);

/** A time in a table: without its day when that is today. */
export function time(ms) {
  const at = iso(ms), today = at.slice(0, 10) === iso(now()).slice(0, 10);
  return el('time', { datetime: at, title: `${moment(ms)} UTC` }, today ? clock(ms, 'millis') : moment(ms).slice(0, 19));
}

/** What stands in a field for a date and a time: UTC, whatever the browser's zone. */
export const fromField = text => text ? Date.parse(`${text}Z`) : undefined;
export const toField = ms => {
  const date = new Date(ms);
  return `${date.getUTCFullYear()}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}T${clock(ms)}`;
};

const STATES = {
  pending: ['◔', 'c-wait'], delivered: ['✓', 'c-good'], dead: ['✕', 'c-bad'], dropped: ['⊘', 'c-warn'],
};
/** A word with its mark: nothing is told by a colour alone. */
export const chip = (word, [mark, cls]) => el('span', { class: `st ${cls}` }, el('i', { 'aria-hidden': 'true' }, mark), seen(word));
export const state = word => chip(word, STATES[word] || ['?', 'c-faint']);
export const replayable = word => word === 'dead' || word === 'dropped';

/** A link to a lane's deliveries. */
export const laneLink = lane => el('a', { href: `#deliveries?${new URLSearchParams({ lane })}`, class: 'peer' }, seen(lane));
