// Two people look at the meeting; what one does, the other sees.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";

import { Server } from "../server.mjs";
import { launch, Window } from "./room.mjs";

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
  for (const userId of ["joshua", "thomasina", "tijuana"]) await server.setAttendance(userId, true);
  [here, there] = await Promise.all([Window.open(browser, server), Window.open(browser, server)]);
  await Promise.all([here.visit(), there.visit()]);
});
afterEach(async () => {
  await Promise.all([here.context.close(), there.context.close()]);
});

test("attendance changed in one window appears in the other, without a reload", async () => {
  await there.shows("here", /^3$/);
  await here.person("Thomasina Manes").click();
  await there.isAway("Thomasina Manes");
  await there.shows("here", /^2$/);
  await there.shows("hearing-aids", /^2$/);
  await there.shows("news", "Thomasina Manes left. 2 of 3 here.");

  await there.person("Tijuana Furlong").click();
  await here.isAway("Tijuana Furlong");
  await here.shows("hearing-aids", /^1$/);

  await here.person("Thomasina Manes").click();
  await there.isHere("Thomasina Manes");
  await there.shows("here", /^2$/);
  for (const window of [here, there]) {
    assert.ok(await window.wasNotReloaded());
    assert.deepEqual(window.problems, []);
  }
});

test("the page needs nothing but its own server", () => {
  const elsewhere = here.requests.filter((url) => !url.startsWith(server.url) && !url.startsWith("data:"));
  assert.deepEqual(elsewhere, []);
});

test("a switch flips at once, before the server has answered", async () => {
  let answer;
  const answered = new Promise((resolve) => (answer = resolve));
  await here.page.route("**/graphql", async (route) => {
    await answered;
    await route.continue();
  });
  await here.person("Joshua Pendergrast").click();
  await here.isAway("Joshua Pendergrast");
  await here.shows("here", /^2$/);
  assert.ok(await there.page.getByRole("switch", { name: "Joshua Pendergrast", checked: true }).isVisible());
  answer();
  await there.isAway("Joshua Pendergrast");
  await here.isAway("Joshua Pendergrast");
});

test("an answer that arrives after a newer state does not take the page back", async () => {
  let release;
  const released = new Promise((resolve) => (release = resolve));
  let fetched;
  const committed = new Promise((resolve) => (fetched = resolve));
  await here.page.route("**/graphql", async (route) => {
    const response = await route.fetch();
    fetched();
    await released;
    await route.fulfill({ response });
  });
  await here.person("Joshua Pendergrast").click();
  await committed;
  await server.setAttendance("thomasina", false);
  await there.isAway("Thomasina Manes");
  // The switch shows what was clicked until its answer is there; the version shows that the newer state has come.
  await here.shows("version", (await there.page.getByTestId("version").textContent()) ?? "");
  release();
  await here.page.locator('[aria-label="Joshua Pendergrast is here"][aria-busy="false"]').waitFor();
  await here.isAway("Thomasina Manes");
  await here.isAway("Joshua Pendergrast");
  await here.shows("here", /^1$/);
});

test("a change that did not get through is taken back, and the page says so", async () => {
  await here.page.route("**/graphql", (route) => route.abort());
  await here.person("Joshua Pendergrast").click();
  await here.page.getByRole("alert").getByText("cannot be reached").waitFor();
  await here.isHere("Joshua Pendergrast");
  await here.shows("here", /^3$/);
});

test("a meeting that is closed in one window is closed in the other", async () => {
  await here.page.getByRole("button", { name: "Close meeting" }).click();
  await there.shows("status", "Not in session");
  await there.page.getByRole("button", { name: "Open meeting" }).click();
  await here.shows("status", /^In session$/);
});

test("a rule of the domain that says no is shown in its own words", async () => {
  // The window still believes that the meeting is open: the answer is what tells it.
  await here.page.routeWebSocket("**/graphql", () => undefined);
  await here.page.reload();
  await here.person("Joshua Pendergrast").waitFor();
  await server.post(`mutation { meetingClose(id: "meeting_1") { id } }`);
  await here.page.getByRole("button", { name: "Close meeting" }).click();
  await here.page.getByRole("alert").getByText("meeting meeting_1 is not in session").waitFor();
  await server.post(`mutation { meetingOpen(id: "meeting_1") { id } }`);
});

test("somebody who registers appears in both windows", async () => {
  const form = here.page.getByRole("region", { name: "Register a person" });
  await form.getByLabel("First name").fill("Marlee");
  await form.getByLabel("Last name").fill("Beverly");
  await form.getByLabel("Organization").fill("CSULB");
  await form.getByLabel("Requests a hearing aid").check();
  await form.getByRole("button", { name: "Register" }).click();
  for (const window of [here, there]) {
    await window.isHere("Marlee Beverly");
    await window.shows("here", /^4$/);
    await window.shows("hearing-aids", /^3$/);
  }
  assert.equal(await form.getByLabel("First name").inputValue(), "");
});

test("everything can be done with the keyboard", async () => {
  const wanted = here.person("Joshua Pendergrast");
  for (let presses = 0; presses < 10; presses += 1) {
    await here.page.keyboard.press("Tab");
    if (await wanted.evaluate((element) => element === document.activeElement)) break;
  }
  await here.page.keyboard.press("Space");
  await there.isAway("Joshua Pendergrast");
  // The list is renewed by the push, the focus stays where it was.
  assert.ok(await wanted.evaluate((element) => element === document.activeElement));
});
