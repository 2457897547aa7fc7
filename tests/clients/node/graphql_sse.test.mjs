// npm's graphql-sse against a real server, in both of its modes: https://github.com/enisdenjo/graphql-sse
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../server.mjs";
import { Inbox } from "./inbox.mjs";
import { CHANGES, isAway, isHere, MEETING, QUERY, SESSION, SET_ATTENDANCE } from "./room.mjs";
import { sseClient } from "./setups/sse.mjs";

const server = new Server();
before(() => server.start());
after(() => server.kill());

const variables = { id: MEETING };

function follow(client, query = CHANGES) {
  const inbox = new Inbox();
  const ended = new Inbox();
  const stop = client.subscribe(
    { query, variables },
    {
      next: ({ data, errors }) => (errors ? ended.add({ errors }) : inbox.add(data.meetingSession)),
      error: (error) => ended.add({ error }),
      complete: () => ended.add({ complete: true }),
    },
  );
  return { inbox, ended, stop };
}

function once(client, payload) {
  return new Promise((resolve, reject) => {
    let result;
    client.subscribe(payload, { next: (value) => (result = value), error: reject, complete: () => resolve(result) });
  });
}

for (const singleConnection of [false, true]) {
  const mode = singleConnection ? "one connection for all" : "a connection each";
  const connect = (options = {}) =>
    sseClient(server.url, { singleConnection, retry: () => new Promise((resolve) => setTimeout(resolve, 100)), ...options });

  test(`${mode}: a query, a mutation, and an error with its code`, async () => {
    const client = connect();
    const { data } = await once(client, { query: QUERY, variables });
    assert.equal(data.meetingSession.title, "Accessibility Town Hall");
    const away = await once(client, { query: SET_ATTENDANCE, variables: { userId: "joshua", attending: false } });
    assert.ok(isAway("Joshua Pendergrast")(away.data.setAttendance));
    const refused = await once(client, { query: SET_ATTENDANCE, variables: { userId: "nobody", attending: true } });
    assert.equal(refused.errors[0].extensions.code, "NOT_FOUND");
    await server.setAttendance("joshua", true);
    client.dispose();
  });

  test(`${mode}: a subscription shows the present, then what somebody else does; unsubscribed, nothing is left`, async () => {
    const client = connect();
    const kept = follow(client);
    const stopped = follow(client);
    for (const { inbox } of [kept, stopped]) await inbox.until(isHere("Tijuana Furlong"));
    const changed = await server.setAttendance("tijuana", false);
    for (const { inbox } of [kept, stopped]) {
      const seen = await inbox.until(isAway("Tijuana Furlong"));
      assert.equal(seen.version, changed.version);
    }
    stopped.stop();
    await stopped.ended.until(({ complete }) => complete);
    const before = stopped.inbox.items.length;
    await server.setAttendance("tijuana", true);
    await kept.inbox.until(isHere("Tijuana Furlong"), 1);
    assert.equal(stopped.inbox.items.length, before);
    assert.deepEqual(kept.ended.items, []);
    kept.stop();
    await kept.ended.until(({ complete }) => complete);
    await server.untilNobodyListens();
    client.dispose();
  });

  test(`${mode}: a subscription that is wrong is refused, and the others go on`, async () => {
    const client = connect({ retryAttempts: 0 });
    const good = follow(client);
    await good.inbox.until(isHere("Joshua Pendergrast"));
    const bad = follow(client, `subscription ($id: ID!) { meetingSession(id: $id) { nothing } }`);
    await bad.ended.until(({ error, errors }) => error ?? errors);
    await server.setAttendance("joshua", false);
    await good.inbox.until(isAway("Joshua Pendergrast"));
    await server.setAttendance("joshua", true);
    await good.inbox.until(isHere("Joshua Pendergrast"), 1);
    client.dispose();
    await server.untilNobodyListens();
  });

  test(`${mode}: after the server was killed and came back, only what is newer is sent`, async () => {
    const connected = new Inbox();
    const client = connect({ on: { connected: (again) => connected.add(again) } });
    const one = follow(client);
    const other = follow(client, `subscription ($id: ID!) { meetingSession(id: $id) { ...Session title } } ${SESSION}`);
    for (const { inbox } of [one, other]) await inbox.until(isHere("Thomasina Manes"));
    await server.restart();
    await connected.until((again) => again === true);
    const changed = await server.setAttendance("thomasina", false);
    for (const { inbox, ended } of [one, other]) {
      const seen = await inbox.until(isAway("Thomasina Manes"));
      assert.equal(seen.version, changed.version);
      // The state that was held before did not come once more.
      const versions = inbox.items.map((session) => session.version);
      assert.equal(new Set(versions).size, versions.length);
      assert.deepEqual(ended.items, []);
    }
    await server.setAttendance("thomasina", true);
    await one.inbox.until(isHere("Thomasina Manes"), 1);
    client.dispose();
    await server.untilNobodyListens();
  });
}
