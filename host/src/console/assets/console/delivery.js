// One delivery, beside the list: what is known of it, its attempts, its body.

import { $, $$, button, copy, el, peer, seen } from './dom.js';
import { explain, get } from './api.js';
import { attempts } from './attempts.js';
import { content } from './content.js';
import { decide } from './decide.js';
import { go, where } from './route.js';
import { rove } from './table.js';
import { bytes, laneLink, moment, replayable, span, state } from './words.js';

const place = $('#detail');
/** What is shown: its id, and once it was read its text and state. */
let open = null;

/** Shows the delivery `id`, or with nothing closes. One that has ended is not read again. */
export async function show(id) {
  const fresh = open?.id !== id;
  $('.split').classList.toggle('two', Boolean(id));
  place.hidden = !id;
  if (!id) return forget();
  if (fresh) {
    open = { id };
    place.replaceChildren(el('p', { class: 'empty' }, 'Reading…'));
  } else if (open.state && open.state !== 'pending') return;
  try {
    draw(await get(`/api/deliveries/${id}`), fresh);
  } catch (error) {
    if (where.at.open !== id || open?.text && error.status !== 404) return;
    open = { id };
    const gone = 'No delivery has this id. It may have been dropped, or pruned after its time.';
    const top = el('div', { class: 'top' }, el('h2', null, 'Not shown'), shut());
    const why = el('p', null, seen(error.status === 404 ? gone : explain(error)));
    place.replaceChildren(top, why, el('p', { class: 'mono' }, seen(id)));
  }
}

function draw(delivery, fresh) {
  const text = JSON.stringify(delivery);
  if (where.at.open !== delivery.id) return;
  if (open?.text === text) { open.state = delivery.state; return }
  open = { id: delivery.id, text, state: delivery.state };
  place.delivery = delivery;
  // What was unfolded and had the focus is so again.
  const unfolded = $$('details', place).map(one => one.open);
  const held = place.contains(document.activeElement) && document.activeElement.textContent;
  place.replaceChildren(...parts(delivery));
  if (!fresh) $$('details', place).forEach((one, i) => { one.open = Boolean(unfolded[i]) });
  if (held) ($$('button', place).find(one => one.textContent === held) || place).focus();
  else if (fresh && innerWidth <= 1180) place.focus();
}

/** Forgets what is shown. */
export function forget() {
  open = null;
  place.delivery = null;
}

/** Has what is shown read again, though it had ended. */
export const stale = () => { if (open) open.state = null };

/** Reads a pending delivery again. */
export const follow = () => { if (open?.state === 'pending') show(open.id) };

/** Leads back to the list, and to its row. */
export function back() {
  const { open: id, ...at } = where.at;
  go({ ...at, id: at.id?.length === 32 ? null : at.id });
  rove($(`#deliveries tr[data-k="${id}"]`));
}

const shut = () => button('✕', back, { 'aria-label': 'Close the delivery', title: 'Close (Esc)' });

function parts(delivery) {
  const fact = (name, ...what) => [el('dt', null, name), el('dd', null, ...what)];
  const { id, lane, created_at: accepted, finished_at: ended, next_at: next, last_error: error, schedule } = delivery;
  return [
    el('div', { class: 'top' }, el('h2', null, state(delivery.state)),
      replayable(delivery.state) && button('Replay', () => decide('replay', [delivery])),
      button('Drop', () => decide('drop', [delivery]), { class: 'danger' }), shut()),
    el('dl', { class: 'facts' }, [
      fact('Id', el('span', { class: 'mono' }, seen(id)), ' ', copy(id)),
      fact('Lane', laneLink(lane)),
      fact('Accepted', `${moment(accepted)} UTC`),
      ended ? fact('Ended', `${moment(ended)} UTC, ${span(ended - accepted)} after`) : [],
      next ? fact('Next', `${moment(next)} UTC`) : [],
      error && delivery.state !== 'delivered' ? fact('Last error', peer(error)) : [],
      schedule ? fact('Schedule', planned(schedule)) : [],
    ].flat()),
    el('h2', null, 'Attempts'), ...attempts(delivery),
    el('p', { class: 'key' }, '┊ planned   ▬ sent until answered   the pale band is the time an answer may take'),
    el('h2', null, 'Body ', el('small', null, bytes(delivery.body_bytes))), ...content(delivery.body, delivery.body_base64, 'Body'),
  ];
}

function planned({ waits, anchor, answer_within: within }) {
  const after = `waits ${waits.map(span).join(', ')} after each ${anchor}`;
  return `${waits.length ? `sent ${waits.length + 1} times at most; ${after}` : 'sent once'}; an answer within ${span(within)}`;
}
