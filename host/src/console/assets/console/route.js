// Where the page is: a view and its query, both in the address, so that a view can be linked to.
//
//     #deliveries/0192…?state=dead&lane=uplink:acme      a delivery, beside the list it was found in

import { $, $$, seen } from './dom.js';
import { explain, Refused } from './api.js';

/**
 * The views by name, each put here by its own module. Of a view:
 * `show(at, current)` reads and draws it, unless `current()` has become false meanwhile; `tick(tick, before)` says
 * whether what it shows has changed; `enter(key, row)` opens a row; `left()` is told that another view is shown.
 */
export const views = {};

export const where = { view: 'overview', at: {} };

/** Leads to a view with a query; `open` is the delivery beside the list. */
export function go({ open, ...query }, view = where.view) {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value)).toString();
  location.hash = view + (open ? `/${open}` : '') + (asked && `?${asked}`);
}

let shown = 0;
/** Reads the view anew. */
export async function refresh() {
  const mine = ++shown;
  try {
    await views[where.view].show(where.at, () => mine === shown);
    if (mine === shown) trouble('view', null);
  } catch (error) {
    if (mine === shown && error.status !== 401) trouble('view', explain(error), error instanceof Refused);
  }
}

/** Shows the view that the address names. */
export function route() {
  const [, name = 'overview', open, query] = /^#([a-z]*)(?:\/([0-9a-f]{32}))?(?:\?(.*))?$/.exec(location.hash || '#overview') || [];
  if (!views[name]) return; // a link within the page
  if (where.view !== name) views[where.view].left?.();
  // The browser has scrolled to the section, which begins below the header.
  if (where.view !== name || !shown) scrollTo(0, 0);
  where.view = name;
  where.at = Object.fromEntries(new URLSearchParams(query || ''));
  if (open) where.at.open = open;
  for (const section of $$('main > section')) section.classList.toggle('on', section.id === name);
  for (const link of $$('nav a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page'); else link.removeAttribute('aria-current');
  }
  document.title = `${open ? `${open.slice(0, 8)}… · ` : ''}${name[0].toUpperCase()}${name.slice(1)} · pushgate`;
  // What is being typed stays as it is.
  for (const field of $$(`#${name} > form [name]`)) if (field !== document.activeElement) field.value = where.at[field.name] || '';
  refresh();
}

const troubles = new Map();
/** Shows what is wrong until it is not: `of` says whose trouble it is, and null ends it. */
export function trouble(of, text, refused = false) {
  if (text) troubles.set(of, { text, refused }); else troubles.delete(of);
  // While the stream is away, that nothing else can be read is no news.
  const told = troubles.get('live') || troubles.get('view');
  const place = $('#trouble');
  place.hidden = !told;
  const [line] = place.children;
  if (line.textContent !== seen(told?.text)) line.textContent = seen(told?.text);
}

/** Sends what a search form holds into the address, a moment after the last key. */
export function search(form, read = query => query) {
  let later;
  const send = () => {
    clearTimeout(later);
    if (!form.checkValidity()) return;
    const query = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, value.trim()]));
    views[where.view].left?.();
    go(read(query));
  };
  form.addEventListener('input', () => { clearTimeout(later); later = setTimeout(send, 350) });
  form.addEventListener('submit', event => { event.preventDefault(); send() });
  form.addEventListener('reset', () => setTimeout(send));
}
