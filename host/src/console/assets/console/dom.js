// Elements. Whatever a peer could have written reaches the page as text, through `seen`; nothing is parsed as markup.

export const $ = (query, at = document) => at.querySelector(query);
export const $$ = (query, at = document) => [...at.querySelectorAll(query)];

/** Makes an element of HTML: `onclick` and the like are listened to, the rest are attributes. */
export const el = (tag, props, ...kids) => fill(document.createElement(tag), props, kids);

/** Makes an element of SVG. */
export const svg = (tag, props, ...kids) => fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, kids);

function fill(element, props, kids) {
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...kids.flat(2).filter(kid => kid !== null && kid !== undefined && kid !== false && kid !== ''));
  return element;
}

/** Spells out what would move a cursor, hide, or turn the direction of the text around it. */
export function seen(text, layout = 'one line') {
  const stays = layout === 'lines' ? '\n\t\u200d' : '\u200d'; // the joiner is part of many signs
  return String(text ?? '').replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, char =>
    stays.includes(char) ? char : `\\u{${char.codePointAt(0).toString(16)}}`);
}

/** A text of a peer, which keeps its own direction to itself. */
export const peer = (text, cls = '') => el('span', { class: `peer ${cls}`.trim() }, seen(text));

/** An error of a peer: two lines of it, the whole where the pointer rests. */
export const clipped = text => text && el('div', { class: 'err peer', title: seen(text) }, seen(text));

export const td = (cls, ...kids) => el('td', cls && { class: cls }, ...kids);

export const button = (text, onclick, props) => el('button', { type: 'button', onclick, ...props }, text);

/** Tells what came of something: seen for a while, and read out. */
export function say(text) {
  const place = $('#say');
  place.textContent = seen(text);
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = '' }, 6000);
}

/** Reads a value that a browser keeps, or keeps one, or with null forgets it; some browsers keep nothing. */
export function kept(storage, key, value) {
  try {
    if (value === undefined) return storage.getItem(key);
    return value === null ? storage.removeItem(key) : storage.setItem(key, value);
  } catch {
    return null;
  }
}

/** A button that copies `text`, where the browser allows it. */
export function copy(text, label = 'Copy') {
  if (!navigator.clipboard) return null;
  const copied = () => say('Copied.'), denied = () => say('The browser does not allow it to be copied.');
  return button(label, () => navigator.clipboard.writeText(text).then(copied, denied), { class: 'plain' });
}
