// The one dialog that asks before anything is replayed or dropped, and tells how far it has come.

import { $, $$, say, seen } from './dom.js';
import { explain, post } from './api.js';
import { live } from './live.js';
import { clear } from './picks.js';
import { go, refresh, where } from './route.js';
import { count, fromField, moment, now } from './words.js';

/** The most that the gateway takes at once. */
const AT_ONCE = 500;

const box = $('#ask'), form = $('form', box), said = $('#ask-what'), typed = $('label', box), bar = $('progress', box);
const wrong = $('.error', box), [cancel, yes] = $$('button', box);

const WORDS = {
  replay: { name: 'Replay', done: 'pending again',
    one: 'It is sent again on a fresh schedule; the attempts so far stay readable.',
    many: 'Each is sent again on a fresh schedule; the attempts so far stay readable.' },
  drop: { name: 'Drop', done: 'dropped for good',
    one: 'It is deleted with its attempts and its body, and cannot be replayed. A send under way may still arrive.',
    many: 'Each is deleted with its attempts and its body, and cannot be replayed. Sends under way may still arrive.' },
};

/** Asks whether `deliveries` are to be replayed or dropped; null are all that match the filter in the address. */
export function decide(what, deliveries) {
  const words = WORDS[what], { at } = where, n = deliveries?.length;
  // What is accepted from now on is not meant.
  const until = fromField(at.until) ?? Math.floor(now());
  const filter = { state: at.state || undefined, lane: at.lane || undefined, since: fromField(at.since), until };
  const which = !deliveries ? 'every matching delivery' : n === 1 ? 'this delivery' : `${count(n)} deliveries`;
  $('h2', box).textContent = `${words.name} ${which}?`;
  said.textContent = `${deliveries ? named(deliveries) : matching(filter)} ${n === 1 ? words.one : words.many}`;
  yes.textContent = words.name;
  yes.classList.toggle('danger', what === 'drop');
  cancel.textContent = 'Cancel';
  wrong.textContent = '';
  bar.hidden = true;
  typed.hidden = what !== 'drop' || n === 1;
  $('b', typed).textContent = what;
  const word = $('input', typed);
  word.value = '';
  word.oninput = () => { yes.disabled = word.value.trim().toLowerCase() !== what };
  yes.disabled = !typed.hidden;
  form.onsubmit = event => {
    event.preventDefault();
    if (!yes.disabled) act(what, deliveries?.map(row => row.id), filter);
  };
  box.showModal();
  (typed.hidden ? cancel : word).focus();
}
cancel.addEventListener('click', () => box.close());

function named(deliveries) {
  const lanes = [...new Set(deliveries.map(row => row.lane).filter(Boolean))];
  const of = lanes.length === 1 ? ` of ${seen(lanes[0])}` : lanes.length ? ` of ${lanes.length} lanes` : '';
  return deliveries.length === 1 ? `${deliveries[0].id}${of}.` : `${count(deliveries.length)} deliveries${of}.`;
}

function matching({ state, lane, since, until }) {
  const only = state && !lane && !since && !where.at.until; // then they are counted already
  const many = only && live.tick ? `, ${count(live.tick.counts[state])} of them now` : '';
  const second = ms => moment(ms).slice(0, 19), from = since ? `from ${second(since)} ` : '';
  const each = `each ${state ? `${state} ` : ''}delivery of ${lane ? seen(lane) : 'any lane'}`;
  return `That is ${each}, accepted ${from}until ${second(until)} UTC${many}.`;
}

async function act(what, ids, filter) {
  let done = 0, stopped = false;
  const refused = [], total = ids?.length, stop = () => { stopped = true };
  box.addEventListener('close', stop, { once: true });
  yes.disabled = true;
  cancel.textContent = 'Stop';
  bar.hidden = false;
  bar.removeAttribute('value');
  const tell = () => {
    const rest = refused.length ? `; ${count(refused.length)} refused: ${refused[0].message}` : '';
    return `${count(done)} ${WORDS[what].done}${rest}`;
  };
  try {
    for (let cursor = null, from = 0; !stopped;) {
      const asked = ids ? { ids: ids.slice(from, from += AT_ONCE) } : { filter, cursor, limit: AT_ONCE };
      const result = await post(`/api/deliveries/${what}`, asked);
      done += result.done;
      refused.push(...result.refused);
      cursor = result.next;
      said.textContent = seen(tell());
      if (total) bar.value = from / total;
      if (ids ? from >= total : !cursor) break;
    }
    say(`${tell()}${stopped ? '; stopped' : ''}.`);
    clear();
    box.removeEventListener('close', stop);
    box.close();
    if (what === 'drop' && ids?.includes(where.at.open)) go({ ...where.at, open: null });
  } catch (error) {
    wrong.textContent = seen(`${explain(error)}${done ? ` ${tell()} before.` : ''}`);
    box.removeEventListener('close', stop);
    bar.hidden = true;
    yes.disabled = false;
    cancel.textContent = 'Cancel';
  }
  document.dispatchEvent(new Event('acted'));
  refresh();
}
