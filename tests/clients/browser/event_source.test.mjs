// The browser's own EventSource: no library, and it resumes by itself.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../server.mjs";
import { launch, Window } from "./room.mjs";

const server = new Server();
let browser;

before(async () => {
  await server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.kill();
});

test("it follows a meeting, and after the server was gone it is sent only what is newer", async () => {
  const { page, context } = await Window.open(browser, server);
  await page.goto(`${server.url}/plain`);
  await page.evaluate(() => {
    const query = `subscription { meetingSession(id: "meeting_1") { version numAttending } }`;
    const source = new EventSource(`/graphql?${new URLSearchParams({ query })}`);
    globalThis.opened = 0;
    globalThis.seen = [];
    source.addEventListener("open", () => (globalThis.opened += 1));
    source.addEventListener("next", ({ data }) => globalThis.seen.push(JSON.parse(data).data.meetingSession));
  });
  const until = (count) => page.waitForFunction((wanted) => globalThis.seen.length >= wanted, count);
  await until(1);
  await server.restart();
  // Opened again, it says with Last-Event-ID what it has.
  await page.waitForFunction(() => globalThis.opened === 2);
  const changed = await server.setAttendance("joshua", false);
  await until(2);
  const seen = await page.evaluate(() => globalThis.seen);
  assert.deepEqual(
    seen.map(({ numAttending }) => numAttending),
    [3, 2],
  );
  assert.equal(seen[1].version, changed.version);
  await context.close();
  await server.untilNobodyListens();
});
