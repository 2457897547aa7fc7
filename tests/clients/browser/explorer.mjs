// GraphiQL as bff serves it, in a Chromium that reaches the server and nothing else.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Server } from "../server.mjs";
import { launch } from "./room.mjs";

const WITHIN = 30_000;
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

/** GraphiQL, opened at the GraphQL path; what it asked of whom, and what the browser had to say. */
async function open() {
  const context = await browser.newContext({ viewport: { width: 1300, height: 900 } });
  context.setDefaultTimeout(WITHIN);
  const page = await context.newPage();
  const seen = { elsewhere: [], requests: [], frames: [], problems: [] };
  await context.route("**/*", (route) => {
    const { host } = new URL(route.request().url());
    if (host === new URL(server.url).host) return route.continue();
    seen.elsewhere.push(route.request().url());
    return route.abort();
  });
  page.on("request", (request) => seen.requests.push(request));
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== new URL(server.url).host) seen.elsewhere.push(socket.url());
    socket.on("framesent", ({ payload }) => seen.frames.push(JSON.parse(payload)));
  });
  page.on("pageerror", (error) => seen.problems.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) seen.problems.push(message.text());
  });
  await page.goto(`${server.url}/graphql`);
  await page.locator(".graphiql-query-editor .CodeMirror").waitFor();
  return { context, page, seen };
}

async function write(page, editor, text) {
  await page.evaluate(
    ([selector, value]) => document.querySelector(`${selector} .CodeMirror`).CodeMirror.setValue(value),
    [editor, text],
  );
}

async function run(page, query) {
  await write(page, ".graphiql-query-editor", query);
  await page.getByRole("button", { name: /Execute query/ }).click();
}

/** Resolves when the answer that is shown holds this. */
function answers(page, text) {
  return page.waitForFunction(
    (wanted) => document.querySelector(".result-window .CodeMirror")?.CodeMirror.getValue().includes(wanted),
    text,
  );
}

test("a query runs, and its headers are sent", async () => {
  const { context, page, seen } = await open();
  await page.getByRole("button", { name: "Headers" }).click();
  await write(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden)', '{ "x-ship": "Nautilus" }');
  await run(page, '{ header(name: "x-ship") }');
  await answers(page, '"header": "Nautilus"');
  assert.deepEqual(seen, { ...seen, elsewhere: [], problems: [] });
  await context.close();
});

test("the documentation knows the schema", async () => {
  const { context, page, seen } = await open();
  await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
  await page.locator(".graphiql-doc-explorer").getByText("Query", { exact: true }).first().click();
  await page.locator(".graphiql-doc-explorer").getByText("counterView", { exact: true }).waitFor();
  assert.deepEqual(seen, { ...seen, elsewhere: [], problems: [] });
  await context.close();
});

test("a subscription shows an update, and brings its headers", async () => {
  const { context, page, seen } = await open();
  await page.getByRole("button", { name: "Headers" }).click();
  await write(page, '.graphiql-editor-tool .graphiql-editor:not(.hidden)', '{ "x-ship": "Nautilus" }');
  await run(page, 'subscription { counterView(id: "bell") { value } }');
  await answers(page, '"counterView": null');
  await server.post('mutation { counterCount(id: "bell") { value } }');
  await answers(page, '"value": 1');
  await server.post('mutation { counterCount(id: "bell") { value } }');
  await answers(page, '"value": 2');
  assert.deepEqual(seen.frames.find((frame) => frame.type === "connection_init").payload, { "x-ship": "Nautilus" });
  await page.getByRole("button", { name: /Stop query/ }).click();
  await page.waitForFunction(() => document.querySelector(".graphiql-execute-button")?.getAttribute("aria-label")?.startsWith("Execute"));
  assert.deepEqual(seen, { ...seen, elsewhere: [], problems: [] });
  await context.close();
});
