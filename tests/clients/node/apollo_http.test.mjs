// npm's @apollo/client over HTTP alone: GET, automatic persisted queries, multipart subscriptions.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CombinedGraphQLErrors, gql } from "@apollo/client";

import { Server } from "../server.mjs";
import { Inbox } from "./inbox.mjs";
import { CHANGES, isAway, isHere, MEETING, OPEN, QUERY, SET_ATTENDANCE } from "./room.mjs";
import { apolloByGet, apolloByHash, apolloByMultipart } from "./setups/apollo.mjs";

const server = new Server();
before(() => server.start());
after(() => server.kill());

const variables = { id: MEETING };

/** A fetch that keeps what was asked and answered. */
function recording() {
  const exchanges = [];
  const recorded = async (input, init) => {
    const url = new URL(String(input));
    const asked = init.body ? JSON.parse(init.body) : Object.fromEntries(url.searchParams);
    const response = await fetch(input, init);
    exchanges.push({ method: init.method ?? "GET", asked, accept: init.headers.accept, response });
    return response;
  };
  return { exchanges, fetch: recorded };
}

const shape = ({ method, asked }) => ({ method, text: "query" in asked });

function follow(client) {
  const inbox = new Inbox();
  const ended = new Inbox();
  const subscription = client.subscribe({ query: gql(CHANGES), variables }).subscribe({
    next: ({ data, error }) => (error ? ended.add({ error }) : inbox.add(data.meetingSession)),
    error: (error) => ended.add({ error }),
    complete: () => ended.add({ complete: true }),
  });
  return { inbox, ended, stop: () => subscription.unsubscribe() };
}

test("queries go by GET, mutations do not", async () => {
  const { exchanges, fetch } = recording();
  const client = apolloByGet(server.url, { fetch });
  const { data } = await client.query({ query: gql(QUERY), variables });
  assert.equal(data.meetingSession.title, "Accessibility Town Hall");
  const away = await client.mutate({ mutation: gql(SET_ATTENDANCE), variables: { userId: "joshua", attending: false } });
  assert.ok(isAway("Joshua Pendergrast")(away.data.setAttendance));
  // The answer of the mutation is in the cache, under the view's type and id: no second GET is needed.
  const again = await client.query({ query: gql(QUERY), variables });
  assert.equal(again.data.meetingSession.version, away.data.setAttendance.version);
  assert.deepEqual(exchanges.map(shape), [
    { method: "GET", text: true },
    { method: "POST", text: true },
  ]);
  await server.setAttendance("joshua", true);
  const fresh = await client.query({ query: gql(QUERY), variables, fetchPolicy: "network-only" });
  assert.ok(isHere("Joshua Pendergrast")(fresh.data.meetingSession));
});

test("an error arrives with its code, and a query that is wrong with its own", async () => {
  const client = apolloByGet(server.url);
  const code = async (attempt) => {
    const error = await attempt.then(
      () => assert.fail("it was not refused"),
      (reason) => reason,
    );
    assert.ok(CombinedGraphQLErrors.is(error), String(error));
    return error.errors[0].extensions.code;
  };
  assert.equal(await code(client.mutate({ mutation: gql(OPEN) })), "MEETING_ALREADY_OPEN");
  const unknown = { mutation: gql(SET_ATTENDANCE), variables: { userId: "nobody", attending: true } };
  assert.equal(await code(client.mutate(unknown)), "NOT_FOUND");
});

for (const useGETForHashedQueries of [false, true]) {
  const method = useGETForHashedQueries ? "GET" : "POST";

  test(`a persisted query travels as its hash, by ${method}, once the server knows it`, async () => {
    const { exchanges, fetch } = recording();
    // A text of its own, which the server has not seen before.
    const query = gql(QUERY.replace("query Meeting(", `query MeetingBy${method}(`));
    const ask = () => apolloByHash(server.url, { useGETForHashedQueries, fetch }).query({ query, variables });

    assert.equal((await ask()).data.meetingSession.title, "Accessibility Town Hall");
    assert.deepEqual(exchanges.map(shape), [
      { method, text: false },
      { method: "POST", text: true },
    ]);
    assert.equal((await ask()).data.meetingSession.title, "Accessibility Town Hall");
    assert.deepEqual(shape(exchanges[2]), { method, text: false });
    assert.equal(exchanges.length, 3);
  });
}

test("a server that has forgotten a hash is told the text once more", async () => {
  const { exchanges, fetch } = recording();
  const client = apolloByHash(server.url, { fetch });
  const ask = () => client.query({ query: gql(QUERY), variables, fetchPolicy: "network-only" });
  await ask();
  await server.restart();
  const before = exchanges.length;
  assert.equal((await ask()).data.meetingSession.title, "Accessibility Town Hall");
  assert.deepEqual(
    exchanges.slice(before).map(({ asked }) => "query" in asked),
    [false, true],
  );
});

test("a mutation may be persisted, too, and is sent with POST", async () => {
  const { exchanges, fetch } = recording();
  const client = apolloByHash(server.url, { useGETForHashedQueries: true, fetch });
  for (const attending of [false, true]) {
    const { data } = await client.mutate({ mutation: gql(SET_ATTENDANCE), variables: { userId: "joshua", attending } });
    assert.equal(isHere("Joshua Pendergrast")(data.setAttendance), attending);
  }
  assert.ok(exchanges.every(({ method }) => method === "POST"));
});

test("a multipart subscription shows the present, then what somebody else does; unsubscribed, nothing is left", async () => {
  const { exchanges, fetch } = recording();
  const { inbox, ended, stop } = follow(apolloByMultipart(server.url, { fetch }));
  await inbox.until(isHere("Tijuana Furlong"));
  assert.match(exchanges[0].accept, /^multipart\/mixed/);
  assert.match(exchanges[0].response.headers.get("content-type"), /^multipart\/mixed/);
  const changed = await server.setAttendance("tijuana", false);
  const seen = await inbox.until(isAway("Tijuana Furlong"));
  assert.equal(seen.version, changed.version);
  assert.deepEqual(ended.items, []);
  stop();
  await server.untilNobodyListens();
  await server.setAttendance("tijuana", true);
});

test("a multipart subscription tells that the server was killed, and can be asked for again", async () => {
  const client = apolloByMultipart(server.url);
  const first = follow(client);
  await first.inbox.until(isHere("Thomasina Manes"));
  await server.kill();
  await first.ended.until(({ error }) => error);
  await server.start();
  await server.setAttendance("thomasina", false);
  const second = follow(client);
  await second.inbox.until(isAway("Thomasina Manes"));
  await server.setAttendance("thomasina", true);
  await second.inbox.until(isHere("Thomasina Manes"));
  second.stop();
  await server.untilNobodyListens();
});

test("a multipart subscription that is wrong is refused with its error", async () => {
  const client = apolloByMultipart(server.url);
  const errors = await new Promise((resolve, reject) => {
    client.subscribe({ query: gql("subscription { nothing }") }).subscribe({
      next: ({ error }) => (error ? resolve(error) : reject(new Error("it was not refused"))),
      error: resolve,
    });
  });
  assert.ok(errors);
});
