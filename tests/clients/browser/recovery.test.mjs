// The server goes away and comes back under open pages.
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

test("a server that is killed and restarted is found again, and what happened meanwhile is shown", async () => {
  const [here, there] = await Promise.all([Window.open(browser, server), Window.open(browser, server)]);
  await Promise.all([here.visit(), there.visit()]);

  await server.kill();
  await here.shows("connection", "Reconnecting");
  await here.person("Thomasina Manes").click();
  await here.page.getByRole("alert").getByText("cannot be reached").waitFor();
  await here.isHere("Thomasina Manes");

  await server.start();
  await server.setAttendance("thomasina", false);
  await Promise.all([here.isLive(), there.isLive()]);
  await Promise.all([here.isAway("Thomasina Manes"), there.isAway("Thomasina Manes")]);

  await here.person("Thomasina Manes").click();
  await there.isHere("Thomasina Manes");
  assert.ok((await here.wasNotReloaded()) && (await there.wasNotReloaded()));
  await Promise.all([here.context.close(), there.context.close()]);
});

test("a page that was opened while GraphQL was down fills itself when it is back", async () => {
  const window = await Window.open(browser, server);
  let down = true;
  await window.page.route("**/graphql", (route) => (down ? route.abort() : route.continue()));
  await window.page.routeWebSocket("**/graphql", (socket) => {
    if (down) void socket.close({ code: 1012 });
    else socket.connectToServer();
  });
  await window.page.goto(`${server.url}/`);
  await window.page.getByRole("status", { name: "Loading the meeting" }).waitFor();
  await window.shows("connection", "Reconnecting");
  down = false;
  await window.isLive();
  await window.isHere("Joshua Pendergrast");
  await window.context.close();
});
