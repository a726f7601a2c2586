// The deliveries: searched by state, lane, id and time, newest first, a page at a time.

import { $, clipped, el, peer, seen, td } from './dom.js';
import { get } from './api.js';
import { decide } from './decide.js';
import * as delivery from './delivery.js';
import { live } from './live.js';
import { clear, mark, meant, pick, pickAll, pickPage, picks } from './picks.js';
import { clickable, firstPage, pager, sync } from './table.js';
import { go, search, views, where } from './route.js';
import { fromField, state, time } from './words.js';

const PAGE = 50;
/** A list that changes all the time is read no more often. */
const PAUSE_MS = 1500;

const rows = $('#deliveries tbody');

views.deliveries = {
  async show(at, current) {
    mark();
    names();
    delivery.show(at.open);
    const { open, since, until, ...rest } = at;
    const query = { ...rest, since: fromField(since), until: fromField(until), limit: PAGE };
    const asked = JSON.stringify(query);
    const page = await get('/api/deliveries', query);
    if (!current()) return;
    const pinned = await pin(page, query, rows.asked === asked);
    if (!current()) return;
    rows.asked = asked;
    const searching = Object.entries(at).some(([name, value]) => name !== 'open' && value);
    const nothing = 'Nothing has been accepted yet. The first delivery appears here by itself.';
    const none = searching ? 'No delivery is like this.' : nothing;
    sync(rows, (pinned || page).deliveries, row => row.id, cells, { none });
    mark();
    const onNewest = () => { clear(); rows.asked = null };
    pager($('#deliveries .pages'), 'cursor', (pinned || page).next, { newer: Boolean(pinned), onNewest });
  },
  tick(tick, before) {
    const moved = !before || before.counts_at !== tick.counts_at || missed;
    missed = moved && tick.time - told < PAUSE_MS;
    if (!moved || missed) return false;
    told = tick.time;
    return true;
  },
  enter: id => go({ ...where.at, open: id }),
  left() { firstPage(); clear() },
};

let told = 0, missed = false;

/** Who reads, picks or walks through the rows is not moved on: the page as it is, when there are newer deliveries. */
async function pin(page, query, same) {
  const busy = picks.rows.size || rows.contains(document.activeElement) || rows.matches(':hover');
  const first = rows.kept?.keys().next().value;
  if (!same || !busy || !first || query.cursor || !(page.deliveries[0]?.id > first)) return null;
  const after = (BigInt(`0x${first}`) + 1n).toString(16).padStart(32, '0');
  return get('/api/deliveries', { ...query, cursor: after });
}

const cells = row => [
  td('pick', el('input', { type: 'checkbox', tabindex: -1, 'aria-label': `Pick ${seen(row.id)}` })),
  td('', time(row.created_at)), td('', state(row.state)), td('', peer(row.lane)), td('mono', seen(row.id)),
  td('', String(row.attempts)), td('', row.next_at ? time(row.next_at) : '–'), td('', clipped(row.last_error)),
];

/** What the field for a lane proposes. */
function names() {
  const lanes = (live.tick?.lanes || []).map(lane => lane.lane), place = $('#lane-names'), all = lanes.join('\n');
  if (place.all === all) return;
  place.all = all;
  place.replaceChildren(...lanes.map(lane => el('option', { value: seen(lane) })));
}

/** Asks for what is meant: see `meant`. */
export const command = (what, here) => decide(what, meant(what, here));

search($('#deliveries form'), query => {
  const id = query.id.replaceAll('-', '').toLowerCase();
  return { ...query, id, open: id.length === 32 ? id : null };
});
clickable($('#deliveries table'), pick);
$('#deliveries table').setAttribute('aria-multiselectable', 'true');
$('#deliveries thead input').addEventListener('change', event => pickPage(event.target.checked));
$('#picked').addEventListener('click', event => {
  const does = { none: clear, all: pickAll, replay: () => command('replay'), drop: () => command('drop') }[event.target.dataset.act];
  does?.();
});
document.addEventListener('acted', () => { delivery.stale(); rows.asked = null });
setInterval(() => { if (where.view === 'deliveries' && !live.held && !document.hidden) delivery.follow() }, 1000);
