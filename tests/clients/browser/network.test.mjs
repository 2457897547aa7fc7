// What reaches a page over the network: a change once, and after an outage only what has changed meanwhile.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../server.mjs";
import { Frames } from "./frames.mjs";
import { Proxy } from "./proxy.mjs";
import { launch, Window } from "./room.mjs";

const OUTAGE = 10_000;

const server = new Server();
const proxy = new Proxy(server);
let browser;

before(async () => {
  await server.start();
  await proxy.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await proxy.stop();
  await server.kill();
});

/** A page with a meeting, two lists and a person on it, behind a network that can be cut. */
async function open() {
  const window = await Window.open(browser, proxy);
  const frames = await Frames.of(window);
  await window.visit();
  await window.rowShows("meetings", "meeting_1", "3 here");
  await window.rowShows("in-session", "meeting_1", "3 here");
  await window.row("in-session", "meeting_2").getByRole("button", { name: "Rubén Acosta" }).click();
  await window.page.getByRole("region", { name: "Rubén Acosta" }).getByText("Student Orientation").waitFor();
  return { window, frames };
}

test("a mutation elsewhere updates the detail and both lists, and the page asks for nothing", async () => {
  const { window } = await open();
  window.graphqlRequests();
  await server.setAttendance("joshua", false);
  await window.isAway("Joshua Pendergrast");
  await window.shows("here", /^2$/);
  await window.rowShows("meetings", "meeting_1", "2 here");
  await window.rowShows("in-session", "meeting_1", "2 here");
  assert.equal(window.graphqlRequests(), 0);
  assert.deepEqual(window.problems, []);

  await server.setAttendance("joshua", true);
  await window.rowShows("meetings", "meeting_1", "3 here");
  await window.context.close();
});

test("after ten seconds without a network the page is right, and was sent only what had changed", async () => {
  const { window, frames } = await open();
  window.graphqlRequests();

  const restored = proxy.cut(OUTAGE);
  await window.shows("connection", "Reconnecting");
  await server.setAttendance("thomasina", false);
  await server.setAttendance("joshua", false);
  await server.setAttendance("thomasina", true);
  await window.isHere("Joshua Pendergrast");
  await restored;

  await window.isLive();
  await window.isAway("Joshua Pendergrast");
  await window.isHere("Thomasina Manes");
  await window.shows("here", /^2$/);
  await window.rowShows("meetings", "meeting_1", "2 here");
  await window.rowShows("in-session", "meeting_1", "2 here");

  // One more change of each: what came before it is all that came after the outage.
  await server.post('mutation { meetingOpen(id: "meeting_6") { id } }');
  await server.setAttendance("thomasina", false);
  await window.shows("here", /^1$/);
  const card = window.page.getByRole("region", { name: "Rubén Acosta" });
  await card.locator('[data-meeting="meeting_6"]').getByText("In session").waitFor();
  await window.row("in-session", "meeting_6").waitFor();

  const { MeetingChanges: detail, InSession: list, Person: person } = frames.operations();
  for (const { request } of [detail, list, person]) assert.ok(request.extensions.bff.since, "it says what it holds");

  const [meeting, later] = detail.results.map(({ data }) => data.meetingSession);
  assert.deepEqual(
    meeting.attending.map(({ name }) => name),
    ["Thomasina Manes", "Tijuana Furlong"],
  );
  assert.equal(later.attending.length, 1);
  assert.equal(detail.results.length, 2);

  // Not the list, but the one meeting in it that is different.
  const [change] = list.results.map(({ data }) => data.meetingSessions);
  assert.deepEqual([change.kind, change.id, change.page, change.node.numAttending], ["MODIFIED", "meeting_1", null, 2]);
  assert.ok(list.results.every(({ data }) => data.meetingSessions.kind !== "CURRENT"));

  // Nothing had changed about them until the last.
  assert.equal(person.results.length, 1);
  assert.ok(person.results[0].data.userView.meetings.some(({ id, inSession }) => id === "meeting_6" && inSession));

  assert.equal(window.graphqlRequests(), 0);
  await window.context.close();
});
