// The lanes: depth, rate, circuit and last error of each, and whether anything is sent there.

import { $, button, clipped, el, peer, say, seen, svg, td } from './dom.js';
import { explain, get, post } from './api.js';
import { live } from './live.js';
import { clickable, firstPage, pager, sync } from './table.js';
import { go, refresh, search, views } from './route.js';
import { brief, chip, count, laneLink, now, span } from './words.js';

const PAGE = 50;
/** Ticks whose depth a lane's small curve shows. */
const PAST = 60;

views.lanes = {
  async show(at, current) {
    const paged = at.kind || at.q || at.after;
    if (!paged && !live.tick) return; // the first tick brings them
    const page = paged ? await get('/api/lanes', { ...at, limit: PAGE })
      : { lanes: live.tick.lanes.filter(lane => !lane.lane.startsWith('device:')), next: null };
    if (!current()) return;
    const none = at.q ? 'No lane begins like this and has work.' : at.kind ? 'No device has anything pending.'
      : 'No destination is configured; “pushgate config example” shows how one is.';
    sync($('#lanes tbody'), page.lanes, lane => lane.lane, cells, { none });
    pager($('#lanes .pages'), 'after', page.next, { note: at.kind ? 'device lanes with work' : '' });
  },
  tick: () => true,
  enter: lane => go({ lane }, 'deliveries'),
  left: firstPage,
};

const depths = new Map();
/** Remembers how deep the lanes of a tick are. */
export function remember(tick) {
  const there = new Set(tick.lanes.map(lane => lane.lane));
  for (const lane of depths.keys()) if (!there.has(lane)) depths.delete(lane);
  for (const { lane, pending } of tick.lanes) depths.set(lane, [...(depths.get(lane) || []), pending].slice(-PAST));
}

/** Whether a lane needs nobody. */
export const isWell = lane => lane.circuit === 'closed' && !lane.paused && lane.configured && lane.pending < (lane.limit ?? Infinity);

/** How a lane's circuit is called. */
export function circuit(lane) {
  if (lane.paused) return chip('paused', ['‖', 'c-warn']);
  if (!lane.configured) return chip('no destination', ['?', 'c-warn']);
  if (lane.circuit === 'open') return chip('open', ['✕', 'c-bad']);
  return lane.circuit === 'probing' ? chip('probing', ['◔', 'c-warn']) : chip('closed', ['✓', 'c-good']);
}

const cells = lane => [
  td('', laneLink(lane.lane), el('br'), peer(lane.destination || '', 'faint')),
  td('', circuit(lane), probe(lane)),
  td('nowrap', el('span', { class: 'num' }, count(lane.pending)), depth(lane), spark(depths.get(lane.lane)),
    el('div', { class: 'faint' }, `${count(lane.queued)} due, limit ${count(lane.limit)}`)),
  td('', count(lane.in_flight)),
  td('nowrap', brief(lane.rate, '/s'), el('div', { class: 'faint' }, lane.rate_limit ? `at most ${lane.rate_limit}/s` : 'no limit')),
  td('nowrap', lane.oldest_at ? span(now() - lane.oldest_at) : '–'),
  td('', clipped(lane.last_error), lane.last_error && lane.last_error_at && ago(lane.last_error_at)),
  td('', pauseOrResume(lane)),
];

const ago = at => el('span', { class: 'faint' }, `${span(now() - at)} ago`);

function pauseOrResume(lane) {
  const what = lane.paused ? 'Resume' : 'Pause';
  return button(what, () => turn(lane), { 'aria-label': `${what} ${seen(lane.lane)}` });
}

function probe(lane) {
  if (lane.circuit !== 'open' || !lane.probe_at) return null;
  const left = lane.probe_at - now();
  return el('div', { class: 'faint nowrap' }, left > 0 ? `probe in ${span(left)}` : 'the next is a probe');
}

async function turn(lane) {
  try {
    await post(`/api/lanes/${encodeURIComponent(lane.lane)}/${lane.paused ? 'resume' : 'pause'}`);
    say(`${lane.lane} ${lane.paused ? 'sends again' : 'is paused: what is accepted for it waits, also after a restart'}.`);
    refresh();
  } catch (error) {
    say(explain(error));
  }
}

function depth(lane) {
  const part = lane.limit ? Math.min(100, Math.ceil(lane.pending / lane.limit * 100)) : 0;
  const bar = svg('rect', { height: '100%', width: `${part}%` });
  return svg('svg', { class: lane.pending >= lane.limit ? 'depth full' : 'depth', 'aria-hidden': 'true' }, bar);
}

function spark(list) {
  if (!list || list.length < 10) return null;
  const max = Math.max(...list, 1), points = list.map((value, i) => `${i + PAST - list.length},${(13 - value / max * 12).toFixed(1)}`);
  return svg('svg', { class: 'spark', viewBox: `0 0 ${PAST} 14`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svg('polyline', { class: 'ln c-wait', 'vector-effect': 'non-scaling-stroke', points: points.join(' ') }));
}

clickable($('#lanes table'));
search($('#lanes form'));
