// npm's graphql-ws against a real server: https://github.com/enisdenjo/graphql-ws
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { Server } from "../server.mjs";
import { assertNeverBack, Inbox } from "./inbox.mjs";

const SESSION = "id version address inSession numHearingAidRequested attending { name organization hearingAidRequested }";
const SUBSCRIPTION = `subscription ($id: ID!) { meetingSession(id: $id) { ${SESSION} } }`;
const everybody = ["Joshua Pendergrast", "Thomasina Manes", "Tijuana Furlong"];

const server = new Server();
before(() => server.start());
after(() => server.kill());

function connect(options = {}) {
  return createClient({
    url: server.socketUrl,
    webSocketImpl: WebSocket,
    retryAttempts: 200,
    retryWait: () => new Promise((resolve) => setTimeout(resolve, 100)),
    shouldRetry: () => true,
    ...options,
  });
}

function once(client, payload) {
  return new Promise((resolve, reject) => {
    let result;
    client.subscribe(payload, {
      next: (value) => (result = value),
      error: reject,
      complete: () => resolve(result),
    });
  });
}

function follow(client, id = "meeting_1") {
  const inbox = new Inbox();
  const ended = new Inbox();
  const stop = client.subscribe(
    { query: SUBSCRIPTION, variables: { id } },
    {
      next: ({ data, errors }) => (errors ? ended.add({ errors }) : inbox.add(data.meetingSession)),
      error: (error) => ended.add({ error }),
      complete: () => ended.add({ complete: true }),
    },
  );
  return { inbox, ended, stop };
}

const names = (session) => session.attending.map((attendee) => attendee.name).sort();
const isHere = (name) => (session) => names(session).includes(name);

test("a query and a mutation travel over the socket", async () => {
  const client = connect();
  const { data } = await once(client, { query: `{ meetingSession(id: "meeting_1") { ${SESSION} latitude longitude } }` });
  assert.equal(data.meetingSession.address, "9500 Gilman Drive, La Jolla, CA");
  assert.equal(data.meetingSession.inSession, true);
  assert.deepEqual(names(data.meetingSession), everybody);
  assert.equal(data.meetingSession.numHearingAidRequested, 2);
  assert.deepEqual(
    data.meetingSession.attending.find((attendee) => attendee.name === "Joshua Pendergrast"),
    { name: "Joshua Pendergrast", organization: "SDSU", hearingAidRequested: true },
  );

  const away = await once(client, {
    query: `mutation { setAttendance(meetingId: "meeting_1", userId: "joshua", attending: false) { ${SESSION} } }`,
  });
  assert.equal(away.errors, undefined);
  assert.deepEqual(names(away.data.setAttendance), ["Thomasina Manes", "Tijuana Furlong"]);
  assert.equal(away.data.setAttendance.numHearingAidRequested, 1);
  await server.setAttendance("joshua", true);
  await client.dispose();
});

test("a subscription begins with the present state and follows every change", async () => {
  const client = connect();
  const { inbox, ended, stop } = follow(client);
  await inbox.until(isHere("Thomasina Manes"));
  const changed = await server.setAttendance("thomasina", false);
  const seen = await inbox.until((session) => !isHere("Thomasina Manes")(session));
  assert.equal(seen.version, changed.version);
  await server.setAttendance("thomasina", true);
  await inbox.until(isHere("Thomasina Manes"), inbox.items.indexOf(seen));
  assertNeverBack(inbox.items.map((session) => session.version));
  stop();
  await ended.until(({ complete }) => complete);
  await client.dispose();
});

test("one socket carries many subscriptions, and one that ends leaves the others alone", async () => {
  const client = connect();
  const followed = Array.from({ length: 50 }, () => follow(client));
  await Promise.all(followed.map(({ inbox }) => inbox.until(isHere("Tijuana Furlong"))));
  followed[0].stop();
  await server.setAttendance("tijuana", false);
  await Promise.all(followed.slice(1).map(({ inbox }) => inbox.until((session) => !isHere("Tijuana Furlong")(session))));
  await server.setAttendance("tijuana", true);
  await client.dispose();
});

test("there is no view of a meeting that does not exist", async () => {
  const client = connect();
  const { inbox } = follow(client, "nobody_knows_it");
  assert.equal(await inbox.until((session) => session === null), null);
  await client.dispose();
});

test("an operation that is wrong ends alone, the socket stays", async () => {
  const client = connect();
  const { inbox } = follow(client);
  await inbox.until(isHere("Joshua Pendergrast"));
  await assert.rejects(once(client, { query: "subscription { nothing }" }), (errors) => Array.isArray(errors));
  const refused = await once(client, {
    query: `mutation { setAttendance(meetingId: "meeting_1", userId: "stranger", attending: true) { id } }`,
  });
  assert.equal(refused.errors[0].extensions.code, "NOT_FOUND");
  const before = inbox.items.length;
  await server.setAttendance("joshua", false);
  await inbox.until((session) => !isHere("Joshua Pendergrast")(session), before);
  await server.setAttendance("joshua", true);
  await client.dispose();
});

test("a server that is killed and comes back is reconnected to, and nothing acknowledged is lost", async () => {
  let connections = 0;
  const client = connect({ on: { connected: () => (connections += 1) } });
  const { inbox, ended } = follow(client);
  await inbox.until(isHere("Thomasina Manes"));

  for (const attending of [false, true, false]) {
    // Killed as soon as the change is acknowledged: before, while or after it was projected and sent.
    const acknowledged = await server.setAttendance("thomasina", attending);
    await server.kill();
    const before = inbox.items.length;
    await server.start();
    const seen = await inbox.until((session) => BigInt(session.version) >= BigInt(acknowledged.version), before);
    assert.equal(isHere("Thomasina Manes")(seen), attending);
  }

  const before = inbox.items.length;
  await server.setAttendance("thomasina", true);
  await inbox.until(isHere("Thomasina Manes"), before);
  assertNeverBack(inbox.items.map((session) => session.version));
  assert.equal(connections, 4);
  assert.deepEqual(ended.items, []);
  await client.dispose();
});
