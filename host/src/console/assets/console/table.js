// Tables whose rows are kept by key: what has the focus, and what is being read, stays where it is while others change.

import { $, $$, button, el } from './dom.js';
import { go, refresh, views, where } from './route.js';

/** Draws `items` into `body`; `key` names each, `cells` makes the cells of a row. */
export function sync(body, items, key, cells, { tag = 'tr', none = 'Nothing here.' } = {}) {
  const had = body.kept || new Map(), rows = body.kept = new Map();
  const heads = $$('thead th', body.parentElement).map(head => head.textContent.replace(/ \(.*/, ''));
  if (!had.size) body.replaceChildren();
  let place = body.firstChild;
  for (const item of items) {
    const name = String(key(item));
    const row = had.get(name) || el(tag, tag === 'tr' && { 'data-k': name, tabindex: -1 });
    had.delete(name);
    draw(row, item, cells, heads);
    rows.set(name, row);
    if (row === place) place = place.nextSibling; else body.insertBefore(row, place);
  }
  for (const row of had.values()) row.remove();
  if (tag !== 'tr') return;
  if (!items.length) body.replaceChildren(el('tr', null, el('td', { colspan: heads.length, class: 'empty' }, none)));
  const all = [...rows.values()];
  if (all.length && !all.some(row => row.tabIndex === 0)) all[0].tabIndex = 0;
}

function draw(row, item, cells, heads) {
  const text = JSON.stringify(item);
  if (row.text === text) return;
  const held = row.contains(document.activeElement) && document.activeElement;
  const label = held && held !== row && held.textContent;
  Object.assign(row, { text, item });
  row.replaceChildren(...cells(item).flat().filter(Boolean));
  heads.forEach((head, i) => row.children[i]?.setAttribute('data-l', head));
  if (!held || row.contains(document.activeElement)) return;
  ($$('a, button', row).find(one => label && one.textContent === label) || row).focus();
}

/** Forgets every row of the page. */
export function clearTables() {
  for (const body of $$('tbody, #look')) { body.replaceChildren(); body.kept = null }
}

/** Gives the focus to a row: Tab leads into a table once, the arrows through it. */
export function rove(row) {
  if (!row?.dataset.k) return;
  reach(row);
  row.focus();
  row.scrollIntoView({ block: 'nearest' });
}

function reach(row) {
  for (const other of $$('tr[tabindex="0"]', row.closest('table'))) if (other !== row) other.tabIndex = -1;
  row.tabIndex = 0;
}

/** Makes rows act on clicks. `pick` is given the rows whose box is meant. */
export function clickable(table, pick) {
  table.setAttribute('role', 'grid');
  table.addEventListener('click', event => {
    const row = event.target.closest('tr[data-k]');
    if (!row || event.target.closest('a, button, pre, summary')) return;
    if (event.target.closest('.pick')) return pick?.(row);
    if (getSelection().toString()) return; // a text is being copied
    views[where.view].enter?.(row.dataset.k, row);
  });
  table.addEventListener('focusin', event => {
    const row = event.target.closest('tr[data-k]');
    if (row && row.tabIndex < 0) reach(row);
  });
}

const trail = [];
/** Forgets the way back through the pages. */
export const firstPage = () => { trail.length = 0 };

/**
 * Draws the way through the pages of a list. `key` is the query's member that pages it, `next` its value for the next
 * page. The buttons stay the same elements: a page that is read anew must not take one away from under a press.
 */
export function pager(place, key, next, { note = '', newer = false, onNewest = () => {} } = {}) {
  const { at } = where;
  const to = value => { scrollTo(0, 0); go({ ...at, [key]: value, open: null }) };
  if (!place.firstChild) {
    place.append(...['newest', 'back', 'on'].map(what => button('', null, { 'data-go': what })), el('span', { class: 'faint' }));
  }
  const [newest, back, on, told] = place.children;
  newest.hidden = !at[key] && !newer;
  newest.textContent = newer ? '↑ There are newer ones' : '⇤ First page';
  newest.onclick = () => {
    firstPage();
    document.activeElement?.blur();
    onNewest();
    if (at[key]) to(null); else refresh();
  };
  back.hidden = !at[key] || !trail.length;
  back.textContent = '← Back';
  back.onclick = () => to(trail.pop());
  on.hidden = next === null || next === undefined;
  on.textContent = key === 'after' ? 'Next →' : 'Older →';
  on.onclick = () => { trail.push(at[key]); to(next) };
  told.textContent = note;
  place.hidden = !note && [newest, back, on].every(one => one.hidden);
}
