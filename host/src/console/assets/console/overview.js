// The overview: what is stored, the charts, the lanes that need a look, the newest dead letters.

import { $, $$, clipped, el, peer, say, seen, td } from './dom.js';
import { explain, get } from './api.js';
import * as charts from './charts.js';
import { circuit, isWell } from './lanes.js';
import { live } from './live.js';
import { clickable, sync } from './table.js';
import { go, views } from './route.js';
import { count, laneLink, time } from './words.js';

const DEAD_ROWS = 6;

/** Whether the charts have their span. */
let loaded = false;

views.overview = {
  async show(_, current) {
    charts.draw();
    const dead = get('/api/deliveries', { state: 'dead', limit: DEAD_ROWS });
    const [page] = await Promise.all([dead, loaded ? null : charts.load(current).then(() => { loaded = true })]);
    if (!current()) return;
    sync($('#overview tbody'), page.deliveries, row => row.id, cells, { none: 'None: nothing has run out of attempts.' });
  },
  tick: (tick, before) => before?.counts.dead !== tick.counts.dead,
  enter: id => go({ state: 'dead', open: id }, 'deliveries'),
};

const cells = row => [
  td('', time(row.created_at)), td('', laneLink(row.lane)), td('mono', seen(row.id)), td('', String(row.attempts)),
  td('', clipped(row.last_error)),
];


/** Draws what every tick brings, also while another view is shown. */
export function onTick(tick, resumed) {
  for (const place of $$('[data-n]')) place.textContent = count(tick.counts[place.dataset.n]);
  if (charts.onSecond(tick) === 'stale' || resumed) charts.load().then(() => { loaded = true }, error => say(explain(error)));
  look();
}

function look() {
  const unwell = live.tick.lanes.filter(lane => !isWell(lane));
  const rows = unwell.length ? unwell : [{ lane: '' }];
  const none = () => el('span', { class: 'empty' }, 'None: every circuit is closed, nothing is paused.');
  sync($('#look'), rows, lane => lane.lane, lane => [lane.lane ? linkTo(lane) : none()], { tag: 'div' });
}

const linkTo = lane => el('a', { href: `#lanes?${new URLSearchParams({ q: lane.lane })}` },
  circuit(lane), el('b', { class: 'peer' }, seen(lane.lane)), `${count(lane.pending)} pending`, peer(lane.last_error || '', 'faint'));

/** Forgets what was drawn. */
export function clear() {
  for (const place of $$('[data-n]')) place.textContent = '–';
  loaded = false;
  charts.build();
}

charts.build();
charts.spans(error => say(explain(error)));
clickable($('#overview table'));
