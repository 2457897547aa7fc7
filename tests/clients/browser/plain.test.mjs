// The page that is served where the real one was not built.
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

async function open() {
  const window = await Window.open(browser, server);
  await window.page.goto(`${server.url}/plain`);
  await window.page.getByText(/^Live$/).waitFor();
  return window;
}

test("it shows the meeting live, and survives the server", async () => {
  const [here, there] = await Promise.all([open(), open()]);
  const box = (window) => window.page.getByRole("checkbox", { name: /Thomasina Manes/ });
  await there.page.getByText("3 of 3").waitFor();
  await box(here).uncheck();
  await there.page.getByText("2 of 3").waitFor();
  assert.equal(await box(there).isChecked(), false);
  assert.deepEqual([...here.problems, ...there.problems], []);

  await server.kill();
  await there.page.getByText("Reconnecting…").waitFor();
  await server.start();
  await server.setAttendance("thomasina", true);
  await Promise.all([here.page.getByText("3 of 3").waitFor(), there.page.getByText("3 of 3").waitFor()]);
  await Promise.all([here.context.close(), there.context.close()]);
});
