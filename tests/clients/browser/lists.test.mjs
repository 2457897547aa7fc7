// Lists that page and live, links from view to view, and a change that is undone because somebody else was faster.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Server } from "../server.mjs";
import { launch, Window } from "./room.mjs";

const BY_TITLE = [
  "Accessibility Town Hall",
  "Campus Shuttle Planning",
  "Captioning Office Hours",
  "Hearing Loop Installation",
  "Library Hours Forum",
  "Quiet Room Design",
  "Student Orientation",
];

const server = new Server();
let browser, here, there;

before(async () => {
  await server.start();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server.kill();
});
beforeEach(async () => {
  [here, there] = await Promise.all([Window.open(browser, server), Window.open(browser, server)]);
});
afterEach(async () => {
  await Promise.all([here.context.close(), there.context.close()]);
});

test("all meetings are shown a page at a time, and a filter chooses among them", async () => {
  await here.visit();
  const more = here.page.getByRole("button", { name: "Show more" });
  for (const shown of [3, 6]) {
    await here.listShows("meetings", BY_TITLE.slice(0, shown));
    await more.click();
  }
  await here.listShows("meetings", BY_TITLE);
  await more.waitFor({ state: "detached" });

  await here.page.getByLabel("Only in session").check();
  await here.listShows("meetings", ["Accessibility Town Hall", "Captioning Office Hours"]);
  await here.page.getByLabel("Title begins with").fill("Ca");
  await here.listShows("meetings", ["Captioning Office Hours"]);
  await here.page.getByLabel("Only in session").uncheck();
  await here.listShows("meetings", ["Campus Shuttle Planning", "Captioning Office Hours"]);
  await here.page.getByLabel("Title begins with").fill("Zz");
  await here.page.getByText("No meeting is like that.").waitFor();
  assert.deepEqual(here.problems, []);
});

test("a link leads from a meeting to its host, and from there to other meetings", async () => {
  await here.visit();
  await here.row("meetings", "meeting_2").getByRole("button", { name: "Rubén Acosta" }).click();
  const card = here.page.getByRole("region", { name: "Rubén Acosta" });
  // Wherever somebody was pressed, the card is where one looks, and where the keyboard is.
  await card.getByRole("link", { name: "Student Orientation" }).waitFor();
  await here.page.waitForFunction(
    (one) => one === document.activeElement && one.getBoundingClientRect().bottom <= innerHeight,
    await card.elementHandle(),
  );
  await card.getByRole("link", { name: "Student Orientation" }).click();
  await here.page.getByRole("heading", { level: 1, name: "Student Orientation" }).waitFor();
  assert.equal(new URL(here.page.url()).search, "?meeting=meeting_6");

  // The card follows its links: a meeting of theirs that is opened elsewhere is shown to be open.
  await server.post('mutation { meetingOpen(id: "meeting_6") { id } }');
  await card.locator('[data-meeting="meeting_6"]').getByText("In session").waitFor();
  await here.shows("status", /^In session$/);
  await server.post('mutation { meetingClose(id: "meeting_6") { id } }');
  await card.locator('[data-meeting="meeting_6"]').getByText("In session").waitFor({ state: "detached" });

  await here.page.goBack();
  await here.page.getByRole("heading", { level: 1, name: "Accessibility Town Hall" }).waitFor();
  assert.ok(await here.wasNotReloaded());
  assert.deepEqual(here.problems, []);
});

test("the meetings in session come, go and move while one looks", async () => {
  await here.visit();
  await here.listShows("in-session", ["Accessibility Town Hall", "Captioning Office Hours"]);
  await server.post('mutation { meetingOpen(id: "meeting_6") { id } }');
  await here.listShows("in-session", ["Accessibility Town Hall", "Captioning Office Hours", "Student Orientation"]);

  for (const userId of ["joshua", "thomasina", "tijuana"]) await server.setAttendance(userId, false);
  await here.listShows("in-session", ["Captioning Office Hours", "Accessibility Town Hall", "Student Orientation"]);
  for (const userId of ["joshua", "thomasina", "tijuana"]) await server.setAttendance(userId, true);
  await here.listShows("in-session", ["Accessibility Town Hall", "Captioning Office Hours", "Student Orientation"]);

  await server.post('mutation { meetingClose(id: "meeting_6") { id } }');
  await here.listShows("in-session", ["Accessibility Town Hall", "Captioning Office Hours"]);
  assert.ok(await here.wasNotReloaded());
  assert.deepEqual(here.problems, []);
});

test("of two who want the last seat one gets it, and the other's switch is put back with a note", async () => {
  await Promise.all([here.visit("?meeting=meeting_2"), there.visit("?meeting=meeting_2")]);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await here.page.route("**/graphql", async (route) => {
    await released;
    await route.continue();
  });
  await here.person("Thomasina Manes").click();
  await here.isHere("Thomasina Manes");
  await here.shows("here", /^2$/);

  await there.person("Joshua Pendergrast").click();
  await there.page.locator('[aria-label="Joshua Pendergrast is here"][aria-busy="false"]').waitFor();
  release();
  await here.page.getByRole("alert").getByText("Undone: all 2 seats of Captioning Office Hours are taken.").waitFor();
  await here.isAway("Thomasina Manes");
  for (const window of [here, there]) {
    await window.isHere("Joshua Pendergrast");
    await window.isAway("Thomasina Manes");
    await window.shows("here", /^2$/);
  }
  await there.person("Joshua Pendergrast").click();
  await here.isAway("Joshua Pendergrast");
});

test("a conflict is undone, too", async () => {
  await here.visit();
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  // The server tries a conflict again until it gives up, which takes more than two people: its answer is played here.
  await here.page.route("**/graphql", async (route) => {
    if (!route.request().postData()?.includes("meetingClose")) return route.continue();
    await answered;
    const errors = [{ message: "somebody else wrote first", path: ["meetingClose"], extensions: { code: "CONFLICT" } }];
    return route.fulfill({ json: { data: null, errors } });
  });
  await here.page.getByRole("button", { name: "Close meeting" }).click();
  await here.shows("status", "Not in session");
  answer();
  await here.page.getByRole("alert").getByText("Undone: somebody else was faster.").waitFor();
  await here.shows("status", /^In session$/);
});
