// graphql-ws on ws, as its README has it, with an event emitter in memory: node graphql_ws.js PORT STATES
import { EventEmitter, on } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as listen } from 'node:net';

import { buildSchema } from 'graphql';
import { useServer } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';

const { sdl, states } = JSON.parse(readFileSync(process.argv[3], 'utf8'));
const present = new Map(states.map((state) => [state.id, state]));
const changes = new Map();
const events = new EventEmitter();
events.setMaxListeners(0);

const schema = buildSchema(sdl);
schema.getSubscriptionType().getFields().meetingSession.subscribe = async function* (_, { id }) {
  const arriving = on(events, id);
  yield { meetingSession: present.get(id) };
  for await (const [state] of arriving) yield { meetingSession: state };
};

const marker = (view, change) =>
  `view ${String(view).padStart(4, '0')} change ${String(change).padStart(10, '0')}` +
  ` at ${String(process.hrtime.bigint()).padStart(19, '0')}`;

function change(view) {
  const id = `m${String(view).padStart(6, '0')}`;
  const count = (changes.get(id) ?? 0) + 1;
  const state = { ...present.get(id), title: marker(view, count) };
  changes.set(id, count);
  present.set(id, state);
  events.emit(id, state);
}

listen((socket) => {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    for (const line of lines) change(Number(line));
  });
  socket.on('error', () => {});
}).listen(Number(process.env.BENCH_CONTROL_PORT), '127.0.0.1');

const server = createServer();
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }));
server.listen(Number(process.argv[2]), '127.0.0.1');
