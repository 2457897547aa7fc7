// npm's @apollo/client against a real server: its cache, over HTTP and graphql-ws at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { CombinedGraphQLErrors, gql } from "@apollo/client";
import WebSocket from "ws";

import { Server } from "../server.mjs";
import { assertNeverBack, Inbox } from "./inbox.mjs";
import { apolloOverSockets } from "./setups/apollo.mjs";

globalThis.WebSocket ??= WebSocket;

const FIELDS = gql`
  fragment Fields on MeetingSession {
    id
    version
    address
    inSession
    numHearingAidRequested
    attending {
      name
      organization
      hearingAidRequested
    }
  }
`;
const QUERY = gql`
  query ($id: ID!) {
    meetingSession(id: $id) {
      ...Fields
    }
  }
  ${FIELDS}
`;
const SUBSCRIPTION = gql`
  subscription ($id: ID!) {
    meetingSession(id: $id) {
      ...Fields
    }
  }
  ${FIELDS}
`;
const SET_ATTENDANCE = gql`
  mutation ($meetingId: ID!, $userId: ID!, $attending: Boolean!) {
    setAttendance(meetingId: $meetingId, userId: $userId, attending: $attending) {
      ...Fields
    }
  }
  ${FIELDS}
`;
const CLOSE = gql`
  mutation {
    meetingClose(id: "meeting_1") {
      ...Fields
    }
  }
  ${FIELDS}
`;
const OPEN = gql`
  mutation {
    meetingOpen(id: "meeting_1") {
      ...Fields
    }
  }
  ${FIELDS}
`;
const variables = { id: "meeting_1" };

const server = new Server();
before(() => server.start());
after(() => server.kill());

function connect() {
  const { client, socket } = apolloOverSockets(server.url);
  return {
    client,
    /** What the cache shows for the query, state after state. */
    watch() {
      const inbox = new Inbox();
      const watched = client.watchQuery({ query: QUERY, variables }).subscribe(({ data, dataState }) => {
        if (dataState === "complete") inbox.add(data.meetingSession);
      });
      return { inbox, stop: () => watched.unsubscribe() };
    },
    follow() {
      const inbox = new Inbox();
      const errors = [];
      const followed = client.subscribe({ query: SUBSCRIPTION, variables }).subscribe({
        next: ({ data, error }) => (error ? errors.push(error) : inbox.add(data.meetingSession)),
        error: (error) => errors.push(error),
      });
      return { inbox, errors, stop: () => followed.unsubscribe() };
    },
    async end() {
      client.stop();
      await socket.dispose();
    },
  };
}

const isHere = (name) => (session) => session.attending.some((attendee) => attendee.name === name);
const isAway = (name) => (session) => !isHere(name)(session);

test("a query's answer is cached under the view's type and id", async () => {
  const { client, end } = connect();
  const { data } = await client.query({ query: QUERY, variables });
  assert.equal(data.meetingSession.address, "9500 Gilman Drive, La Jolla, CA");
  const cached = client.cache.extract()["MeetingSession:meeting_1"];
  assert.equal(cached.version, data.meetingSession.version);
  assert.equal(cached.numHearingAidRequested, 2);
  await end();
});

test("a mutation's answer updates what is watched", async () => {
  const { client, watch, end } = connect();
  const { inbox, stop } = watch();
  await inbox.until(isHere("Tijuana Furlong"));
  const { data } = await client.mutate({
    mutation: SET_ATTENDANCE,
    variables: { meetingId: "meeting_1", userId: "tijuana", attending: false },
  });
  assert.equal(data.setAttendance.numHearingAidRequested, 1);
  const seen = await inbox.until(isAway("Tijuana Furlong"));
  assert.equal(seen.version, data.setAttendance.version);
  await server.setAttendance("tijuana", true);
  stop();
  await end();
});

test("a subscription updates what is watched, whoever made the change", async () => {
  const { watch, follow, end } = connect();
  const watched = watch();
  const followed = follow();
  await watched.inbox.until(isHere("Joshua Pendergrast"));
  await followed.inbox.until(isHere("Joshua Pendergrast"));
  await server.setAttendance("joshua", false);
  await watched.inbox.until(isAway("Joshua Pendergrast"));
  const before = watched.inbox.items.length;
  await server.setAttendance("joshua", true);
  await watched.inbox.until(isHere("Joshua Pendergrast"), before);
  assert.deepEqual(followed.errors, []);
  watched.stop();
  followed.stop();
  await server.untilNobodyListens();
  await end();
});

test("a rule of the domain that says no arrives as an error with its code", async () => {
  const { client, follow, end } = connect();
  const { inbox, stop } = follow();
  await inbox.until((session) => session.inSession);
  const closed = await client.mutate({ mutation: CLOSE });
  assert.equal(closed.data.meetingClose.inSession, false);
  await inbox.until((session) => !session.inSession);
  await assert.rejects(client.mutate({ mutation: CLOSE }), (error) => {
    assert.ok(CombinedGraphQLErrors.is(error));
    assert.equal(error.errors[0].extensions.code, "MEETING_NOT_OPEN");
    assert.equal(error.errors[0].message, "meeting meeting_1 is not in session");
    return true;
  });
  const before = inbox.items.length;
  await client.mutate({ mutation: OPEN });
  await inbox.until((session) => session.inSession, before);
  stop();
  await end();
});

test("after the server was killed and came back, what is watched is right again", async () => {
  const { watch, follow, end } = connect();
  const watched = watch();
  const followed = follow();
  await watched.inbox.until(isHere("Thomasina Manes"));
  await followed.inbox.until(isHere("Thomasina Manes"));
  await server.setAttendance("thomasina", false);
  await server.restart();
  await watched.inbox.until(isAway("Thomasina Manes"));
  const before = watched.inbox.items.length;
  await server.setAttendance("thomasina", true);
  await watched.inbox.until(isHere("Thomasina Manes"), before);
  assertNeverBack(followed.inbox.items.map((session) => session.version));
  assert.deepEqual(followed.errors, []);
  watched.stop();
  followed.stop();
  await end();
});
