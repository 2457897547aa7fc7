// npm's graphql-ws against a real server: https://github.com/enisdenjo/graphql-ws
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { resuming } from "../../../examples/meeting_room/web/src/resuming.js";
import { Server } from "../server.mjs";
import { assertNeverBack, Inbox } from "./inbox.mjs";
import { patched } from "./setups/patched.mjs";

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
  await server.untilNobodyListens();
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

test("a client that says which version it holds is sent only what is newer", async () => {
  const connected = new Inbox();
  const client = resuming(connect({ on: { connected: () => connected.add(true) } }));
  const { inbox, ended } = follow(client);
  await inbox.until(isHere("Thomasina Manes"));
  await server.restart();
  await connected.until(() => connected.items.length === 2);
  const changed = await server.setAttendance("thomasina", false);
  await inbox.until((session) => !isHere("Thomasina Manes")(session));
  assert.deepEqual(
    inbox.items.map((session) => session.version),
    [inbox.items[0].version, changed.version],
  );
  await server.setAttendance("thomasina", true);
  assert.deepEqual(ended.items, []);
  await client.dispose();
});

test("a client that asks for patches is sent what is different, and gives whole results", async () => {
  const messages = [];
  const connected = new Inbox();
  const client = connect({
    on: { connected: () => connected.add(true), message: (message) => message.type === "next" && messages.push(message.payload) },
  });
  const plain = follow(client);
  const { inbox, ended } = follow(patched(resuming(client)));
  await inbox.until(isHere("Thomasina Manes"));

  const both = async ({ version }) => {
    for (const each of [plain, { inbox }]) await each.inbox.until((session) => session.version === version);
    assert.deepEqual(inbox.items.at(-1), plain.inbox.items.at(-1));
  };
  await both(await server.setAttendance("thomasina", false));
  const [patch] = messages.filter(({ extensions }) => extensions?.bff?.patch);
  assert.equal(patch.data, undefined);
  assert.ok(JSON.stringify(patch.extensions.bff.patch).includes("/meetingSession/attending"));

  // The next server does not know what the one before has sent.
  await server.restart();
  await connected.until(() => connected.items.length === 2);
  await both(await server.setAttendance("thomasina", true));
  await both(await server.setAttendance("thomasina", false));
  await both(await server.setAttendance("thomasina", true));
  assert.deepEqual(ended.items, []);
  await client.dispose();
});

test("a live list comes as a page, then as what happens to it; stopped, nothing is left", async () => {
  const client = connect();
  const inbox = new Inbox();
  const stop = client.subscribe(
    {
      query: `subscription {
        meetingSessions(filter: { inSession: { eq: true } }, orderBy: [{ field: TITLE }], first: 5) {
          kind id previous next node { title } page { edges { node { title } } }
        }
      }`,
    },
    { next: ({ data }) => inbox.add(data.meetingSessions), error: assert.fail, complete: () => undefined },
  );
  const { page } = await inbox.until(({ kind }) => kind === "CURRENT");
  assert.deepEqual(
    page.edges.map(({ node }) => node.title),
    ["Accessibility Town Hall", "Captioning Office Hours"],
  );
  await server.post('mutation { meetingOpen(id: "meeting_4") { id } }');
  assert.deepEqual(await inbox.until(({ kind }) => kind === "ADDED"), {
    kind: "ADDED",
    id: "meeting_4",
    previous: "meeting_1",
    next: "meeting_2",
    node: { title: "Campus Shuttle Planning" },
    page: null,
  });
  await server.post('mutation { meetingClose(id: "meeting_4") { id } }');
  assert.equal((await inbox.until(({ kind }) => kind === "REMOVED")).id, "meeting_4");
  stop();
  await server.untilNobodyListens();
  await client.dispose();
});
