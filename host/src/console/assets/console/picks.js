// Which deliveries are picked, and what a command is therefore for.

import { $, $$ } from './dom.js';
import { where } from './route.js';
import { replayable } from './words.js';

/** The picked deliveries by id; `all` are all that match the filter, on every page. */
export const picks = { rows: new Map(), all: false };

const rows = () => $$('#deliveries tbody tr[data-k]');

/** Whether a command may be for all that match: something has to narrow them down. */
const filtered = () => !where.at.id && Boolean(where.at.state || where.at.lane || where.at.since);

export function clear() {
  picks.rows.clear();
  picks.all = false;
  mark();
}

export function pick(row, on = !picks.rows.has(row.dataset.k)) {
  if (on) picks.rows.set(row.dataset.k, row.item); else picks.rows.delete(row.dataset.k);
  mark();
}

export function pickPage(on) {
  for (const row of rows()) {
    if (on) picks.rows.set(row.dataset.k, row.item); else picks.rows.delete(row.dataset.k);
  }
  mark();
}

export function pickAll() {
  picks.all = true;
  mark();
}

/** Shows what is picked and which delivery is open. */
export function mark() {
  const shown = rows(), { at } = where;
  for (const row of shown) {
    const on = picks.rows.has(row.dataset.k);
    row.setAttribute('aria-selected', on);
    row.classList.toggle('open', row.dataset.k === at.open);
    $('input', row).checked = on;
    if (on) picks.rows.set(row.dataset.k, row.item);
  }
  if (!picks.rows.size || !filtered()) picks.all = false;
  const size = picks.rows.size, able = [...picks.rows.values()].filter(row => replayable(row.state)).length;
  const bar = $('#picked'), replay = $('[data-act=replay]', bar), all = $('[data-act=all]', bar);
  const head = $('#deliveries thead input');
  bar.hidden = !size;
  $('b', bar).textContent = picks.all ? 'All that match, on every page' : `${size} picked`;
  replay.disabled = picks.all ? at.state === 'pending' || at.state === 'delivered' : !able;
  replay.textContent = !picks.all && able && able < size ? `Replay the ${able} dead or dropped` : 'Replay';
  all.hidden = picks.all || !filtered() || size < shown.length;
  head.hidden = !shown.length;
  head.checked = shown.length > 0 && shown.every(row => picks.rows.has(row.dataset.k));
  head.indeterminate = !head.checked && size > 0;
}

/**
 * What a command is for: what is picked, else what is open, else the row `here`. Null is all that match the filter.
 * A replay leaves out what cannot be replayed.
 */
export function meant(what, here) {
  if (picks.all) return null;
  const { at } = where, one = at.open || here?.dataset.k;
  const alone = () => $(`#deliveries tr[data-k="${one}"]`)?.item || { id: one, ...$('#detail').delivery };
  const found = picks.rows.size ? [...picks.rows.values()] : one ? [alone()] : [];
  return what === 'drop' ? found : found.filter(row => replayable(row.state));
}
