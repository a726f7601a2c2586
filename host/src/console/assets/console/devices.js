// The devices that are online.

import { $, peer, td } from './dom.js';
import { get } from './api.js';
import { clickable, firstPage, pager, sync } from './table.js';
import { go, search, views } from './route.js';
import { laneLink, now, span, time } from './words.js';

const PAGE = 50;

views.devices = {
  async show(at, current) {
    const page = await get('/api/devices', { ...at, limit: PAGE });
    if (!current()) return;
    const devices = page.devices.map(device => ({ ...device, age: span(now() - device.connected_at) }));
    const none = at.cid ? 'No such device is online.' : 'No device is online.';
    sync($('#devices tbody'), devices, device => device.cid, cells, { none });
    pager($('#devices .pages'), 'after', page.next);
  },
  tick: (tick, before) => before?.devices_at !== tick.devices_at,
  enter: cid => go({ lane: `device:${cid}` }, 'deliveries'),
  left: firstPage,
};

const cells = device => [
  td('mono', String(device.cid)), td('mono', peer(device.peer)), td('', time(device.connected_at)), td('nowrap', device.age),
  td('', laneLink(`device:${device.cid}`)),
];

clickable($('#devices table'));
search($('#devices form'));
