// The inbox: what has come in, newest first.

import { $, $$, el, peer, seen, td } from './dom.js';
import { get } from './api.js';
import { content } from './content.js';
import { clickable, firstPage, pager, sync } from './table.js';
import { search, views, where } from './route.js';
import { time } from './words.js';

const PAGE = 50;

views.inbox = {
  async show(at, current) {
    const { items } = await get('/api/inbox', { ...at, last: PAGE }, 'exact');
    if (!current()) return;
    const body = $('#inbox tbody'), none = at.kind || at.receiver ? 'Nothing like this has come in.' : 'Nothing has come in yet.';
    items.reverse();
    sync(body, items, item => item.cursor, cells, { none });
    for (const row of $$('tr[data-k]:not([aria-expanded])', body)) row.setAttribute('aria-expanded', 'false');
    pager($('#inbox .pages'), 'before', items.length === PAGE ? items.at(-1).cursor : null);
  },
  tick: (tick, before) => !where.at.before && before?.inbox_last !== tick.inbox_last,
  enter(_, row) {
    const unfold = row.getAttribute('aria-expanded') !== 'true', place = row.lastElementChild;
    row.setAttribute('aria-expanded', unfold);
    place.replaceChildren(...(unfold ? content(JSON.stringify(row.item.item), null, 'Item') : [line(row.item)]));
  },
  left: firstPage,
};

const line = item => el('div', { class: 'item mono peer' }, seen(JSON.stringify(item.item)));

const cells = item => [
  td('', time(item.received_at)), td('mono', String(item.cursor)), td('', peer(item.kind)), td('', peer(item.receiver)),
  td('', line(item)),
];

clickable($('#inbox table'));
search($('#inbox form'));
