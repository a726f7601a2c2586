// The operators' console: puts its parts together.
//
//     dom, words                                   elements; how numbers, times and states are put
//     api, session, live                           asking the gateway; its token; its stream of ticks
//     route, table                                 where the page is; rows, pages
//     overview (charts), lanes, inbox, devices     a view each
//     deliveries (picks, decide)                   the list, what is picked in it, and what is done to that
//     delivery (attempts, content)                 one of them
//     keys                                         the keyboard, the colours

import { $, $$, seen } from './console/dom.js';
import { follow, forget, onTick } from './console/live.js';
import * as delivery from './console/delivery.js';
import * as lanes from './console/lanes.js';
import * as overview from './console/overview.js';
import { clear } from './console/picks.js';
import { refresh, route, trouble, views, where } from './console/route.js';
import { guard } from './console/session.js';
import { clearTables } from './console/table.js';
import './console/deliveries.js';
import './console/inbox.js';
import './console/devices.js';
import './console/keys.js';

guard({
  in() {
    follow();
    refresh();
  },
  out() {
    forget();
    trouble('view', null);
    clear();
    clearTables();
    delivery.forget();
    $('#detail').replaceChildren();
    $('#out').hidden = true;
    overview.clear();
  },
});

onTick((tick, before, resumed) => {
  $('#version').textContent = seen(tick.version);
  lanes.remember(tick);
  overview.onTick(tick, resumed);
  if (views[where.view].tick(tick, before) || resumed && before) refresh();
});

document.documentElement.classList.add('js');
for (const place of $$('.tools, form[role=search], #spans')) place.hidden = false;
addEventListener('hashchange', route);
route();
follow();
