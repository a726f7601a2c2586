// Signing in and out, where the gateway has an admin token.

import { $, seen } from './dom.js';
import { onUnauthorized, token } from './api.js';

const box = $('#signin'), wrong = $('.error', box);

/** Whether the page waits for a token. */
export const signedOut = () => box.open;

/** Asks for the token when the gateway does: `hooks.out` forgets what is shown, `hooks.in` begins anew. */
export function guard(hooks) {
  const out = () => {
    if (box.open) return;
    wrong.textContent = token.value ? 'The gateway does not know this token. It is listen.admin_token of its configuration.' : '';
    token.set(null);
    hooks.out();
    box.showModal();
  };
  onUnauthorized(out);
  $('#out').addEventListener('click', () => { token.set(null); out() });
  // Without a token there is nothing behind the dialog.
  box.addEventListener('close', () => { if (!token.value) box.showModal() });
  $('form', box).addEventListener('submit', event => {
    event.preventDefault();
    const field = event.target.elements.token, given = field.value.trim();
    if (!/^[\x21-\x7e]+$/.test(given)) {
      wrong.textContent = seen('A token is printable ASCII without spaces.');
      return;
    }
    field.value = '';
    token.set(given);
    box.close();
    hooks.in();
  });
}
