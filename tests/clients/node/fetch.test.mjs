// No client library at all: what `fetch` sees of the server.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { Server } from "../server.mjs";
import { isAway, MEETING, OPEN, QUERY, SET_ATTENDANCE } from "./room.mjs";
import { graphql } from "./setups/fetch.mjs";

const server = new Server();
const { get, post } = graphql(server.url);
before(() => server.start());
after(() => server.kill());

const variables = { id: MEETING };

/** Resolves when the stored views have seen a change: a GET may be answered from before it. */
async function untilSeen({ extensions }) {
  await post(QUERY, variables, { minAsOf: extensions.bff.committedAt });
}

test("a query and a mutation, and errors with their codes and statuses", async () => {
  const { status, data } = await post(QUERY, variables);
  assert.equal(status, 200);
  assert.equal(data.meetingSession.title, "Accessibility Town Hall");
  const refused = await post(OPEN);
  assert.deepEqual([refused.status, refused.errors[0].extensions.code], [200, "MEETING_ALREADY_OPEN"]);
  assert.equal((await post("{ nothing }")).status, 400);
});

test("an answer that is still right is not sent again", async () => {
  const first = await get(QUERY, variables);
  assert.equal(first.status, 200);
  assert.deepEqual(await get(QUERY, variables, first.etag), { status: 304, etag: first.etag });

  await untilSeen(await post(SET_ATTENDANCE, { userId: "joshua", attending: false }));
  const changed = await get(QUERY, variables, first.etag);
  assert.equal(changed.status, 200);
  assert.notEqual(changed.etag, first.etag);
  assert.ok(isAway("Joshua Pendergrast")(changed.data.meetingSession));
  await untilSeen(await post(SET_ATTENDANCE, { userId: "joshua", attending: true }));
});

test("a list shows one's own change, when it is asked to be that new", async () => {
  const list = "{ meetingSessions(filter: { numAttending: { eq: 2 } }) { edges { node { id } } } }";
  const change = await post(SET_ATTENDANCE, { userId: "thomasina", attending: false });
  const { committedAt, affects } = change.extensions.bff;
  assert.ok(affects.some(({ view, id }) => view === "MeetingSession" && id === MEETING));
  const { data, extensions } = await post(list, {}, { minAsOf: committedAt, asOf: true });
  assert.deepEqual(data.meetingSessions.edges, [{ node: { id: MEETING } }]);
  assert.ok(BigInt(extensions.bff.asOf) >= BigInt(committedAt));
  await post(SET_ATTENDANCE, { userId: "thomasina", attending: true });
});

test("a mutation that is sent again with its key is done once", async () => {
  const register = `mutation { register(meetingId: "meeting_1", firstName: "Marlee", lastName: "Beverly", organization: "CSULB") {
    participants { name }
  } }`;
  const idempotencyKey = randomUUID();
  const answers = await Promise.all(Array.from({ length: 5 }, () => post(register, {}, { idempotencyKey })));
  for (const answer of answers) assert.deepEqual(answer, answers[0]);
  assert.equal(answers[0].data.register.participants.filter(({ name }) => name === "Marlee Beverly").length, 1);

  const other = await post(register.replace("Marlee", "Another"), {}, { idempotencyKey });
  assert.deepEqual([other.status, other.errors[0].extensions.code], [422, "IDEMPOTENCY_KEY_REUSED"]);
});
