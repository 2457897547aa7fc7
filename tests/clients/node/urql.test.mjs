// npm's @urql/core against a real server: queries over HTTP, subscriptions over graphql-ws.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { Server } from "../server.mjs";
import { assertNeverBack, Inbox } from "./inbox.mjs";
import { CHANGES, isAway, isHere, MEETING, OPEN, QUERY, SET_ATTENDANCE } from "./room.mjs";
import { urqlClient } from "./setups/urql.mjs";

globalThis.WebSocket ??= WebSocket;

const server = new Server();
before(() => server.start());
after(() => server.kill());

function connect(options = {}) {
  const requests = [];
  const counted = (input, init) => {
    requests.push(init.method);
    return fetch(input, init);
  };
  return { ...urqlClient(server.url, { fetch: counted, ...options }), requests };
}

function follow(client) {
  const inbox = new Inbox();
  const errors = [];
  const subscription = client.subscription(CHANGES, { id: MEETING }).subscribe(({ data, error }) => {
    if (error) errors.push(error);
    else if (data) inbox.add(data.meetingSession);
  });
  return { inbox, errors, stop: () => subscription.unsubscribe() };
}

test("a query is answered, by POST and by GET", async () => {
  for (const [preferGetMethod, method] of [
    [false, "POST"],
    ["force", "GET"],
  ]) {
    const { client, requests, socket } = connect({ preferGetMethod });
    const { data, error } = await client.query(QUERY, { id: MEETING });
    assert.equal(error, undefined);
    assert.equal(data.meetingSession.title, "Accessibility Town Hall");
    assert.deepEqual(requests, [method]);
    await socket.dispose();
  }
});

test("a mutation answers with the view, and an error with its code", async () => {
  const { client, socket } = connect();
  const away = await client.mutation(SET_ATTENDANCE, { userId: "joshua", attending: false });
  assert.ok(isAway("Joshua Pendergrast")(away.data.setAttendance));
  const back = await client.mutation(SET_ATTENDANCE, { userId: "joshua", attending: true });
  assert.ok(BigInt(back.data.setAttendance.version) > BigInt(away.data.setAttendance.version));

  const { error } = await client.mutation(OPEN, {});
  assert.equal(error.graphQLErrors[0].extensions.code, "MEETING_ALREADY_OPEN");
  assert.equal(error.networkError, undefined);
  await socket.dispose();
});

test("a subscription shows the present, then what somebody else does; unsubscribed, nothing is left", async () => {
  const { client, socket } = connect();
  const { inbox, errors, stop } = follow(client);
  await inbox.until(isHere("Tijuana Furlong"));
  const changed = await server.setAttendance("tijuana", false);
  const seen = await inbox.until(isAway("Tijuana Furlong"));
  assert.equal(seen.version, changed.version);
  stop();
  await server.untilNobodyListens();
  await server.setAttendance("tijuana", true);
  assert.ok(inbox.items.every((session, at) => at === 0 || isAway("Tijuana Furlong")(session)));
  assert.deepEqual(errors, []);
  await socket.dispose();
});

test("a subscription survives a server that is killed and restarted", async () => {
  const { client, socket } = connect();
  const { inbox, errors, stop } = follow(client);
  await inbox.until(isHere("Thomasina Manes"));
  await server.setAttendance("thomasina", false);
  await server.restart();
  await inbox.until(isAway("Thomasina Manes"));
  const before = inbox.items.length;
  await server.setAttendance("thomasina", true);
  await inbox.until(isHere("Thomasina Manes"), before);
  assertNeverBack(inbox.items.map((session) => session.version));
  assert.deepEqual(errors, []);
  stop();
  await socket.dispose();
});
