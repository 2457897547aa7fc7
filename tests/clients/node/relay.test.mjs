// npm's relay-runtime against a real server, with requests that relay-compiler has compiled against the server's own schema.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";

import { buildClientSchema, getIntrospectionQuery, printSchema } from "graphql";
import relay from "relay-runtime";
import WebSocket from "ws";

import { Server } from "../server.mjs";
import { Inbox } from "./inbox.mjs";
import { relayEnvironment } from "./setups/relay.mjs";

const { commitMutation, createOperationDescriptor, fetchQuery, getRequest, requestSubscription } = relay;

globalThis.WebSocket ??= WebSocket;
const server = new Server();
const compiled = {};
let folder;

before(async () => {
  await server.start();
  folder = await mkdtemp(join(tmpdir(), "bff-relay-"));
  await compile();
  for (const name of ["meetingsQuery", "meetingsChangesSubscription", "meetingsCloseMutation"]) {
    const artifact = await import(pathToFileURL(join(folder, "compiled", `${name}.graphql.js`)));
    compiled[name] = artifact.default;
  }
});
after(async () => {
  await server.kill();
  if (folder) await rm(folder, { recursive: true });
});

/** relay-compiler is strict about connections and nodes: that it accepts the schema is half of the test. */
async function compile() {
  const here = fileURLToPath(new URL(".", import.meta.url));
  const { data } = await server.post(getIntrospectionQuery());
  await mkdir(join(folder, "src"));
  await mkdir(join(folder, "compiled"));
  await writeFile(join(folder, "schema.graphql"), printSchema(buildClientSchema(data)));
  await writeFile(join(folder, "src", "meetings.js"), await readFile(join(here, "relay", "meetings.js")));
  await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  const config = {
    src: "./src",
    schema: "./schema.graphql",
    language: "javascript",
    artifactDirectory: "./compiled",
    eagerEsModules: true,
  };
  await writeFile(join(folder, "relay.config.json"), JSON.stringify(config));
  const compiler = join(here, "node_modules", ".bin", "relay-compiler");
  await promisify(execFile)(compiler, ["relay.config.json"], { cwd: folder });
}

const fetched = (environment, variables) => fetchQuery(environment, compiled.meetingsQuery, variables).toPromise();

/** The list as the page that asked for its beginning sees it: all that has been loaded since. */
function shown(environment, count) {
  const operation = createOperationDescriptor(getRequest(compiled.meetingsQuery), { count });
  const { edges, pageInfo } = environment.lookup(operation.fragment).data.meetingSessions;
  return { titles: edges.map(({ node }) => node.title), edges, pageInfo };
}

test("a connection is paged, and the pages become one list", async () => {
  const { environment } = relayEnvironment(server.url);
  await fetched(environment, { count: 3 });
  const first = shown(environment, 3);
  assert.deepEqual(first.titles, ["Accessibility Town Hall", "Campus Shuttle Planning", "Captioning Office Hours"]);
  assert.equal(first.pageInfo.hasNextPage, true);

  await fetched(environment, { count: 3, cursor: first.pageInfo.endCursor });
  const second = shown(environment, 3);
  assert.deepEqual(second.titles.slice(0, 3), first.titles);
  assert.deepEqual(second.titles.slice(3), ["Hearing Loop Installation", "Library Hours Forum", "Quiet Room Design"]);
  assert.equal(second.pageInfo.hasNextPage, true);

  await fetched(environment, { count: 3, cursor: second.pageInfo.endCursor });
  const third = shown(environment, 3);
  assert.equal(third.titles.length, 7);
  assert.equal(third.titles.at(-1), "Student Orientation");
  assert.equal(third.pageInfo.hasNextPage, false);
  assert.equal(new Set(third.titles).size, 7);
});

test("a mutation changes the list by its answer, an error carries its code, and a subscription shows what others do", async () => {
  const { environment, socket } = relayEnvironment(server.url);
  await fetched(environment, { count: 3 });
  const inSession = () => shown(environment, 3).edges[0].node.inSession;
  assert.equal(inSession(), true);

  const close = () =>
    new Promise((resolve) => {
      commitMutation(environment, {
        mutation: compiled.meetingsCloseMutation,
        variables: { id: "meeting_1" },
        onCompleted: (response, errors) => resolve({ response, errors }),
        onError: (error) => resolve({ errors: error.source?.errors ?? error.errors ?? error.cause }),
      });
    });
  assert.equal((await close()).response.meetingClose.inSession, false);
  assert.equal(inSession(), false);
  assert.equal((await close()).errors[0].extensions.code, "MEETING_NOT_OPEN");

  const inbox = new Inbox();
  const subscription = requestSubscription(environment, {
    subscription: compiled.meetingsChangesSubscription,
    variables: { id: "meeting_1" },
    onNext: (data) => inbox.add(data.meetingSession),
  });
  await inbox.until((session) => session.inSession === false);
  await server.post('mutation { meetingOpen(id: "meeting_1") { id } }');
  await inbox.until((session) => session.inSession === true);
  assert.equal(inSession(), true);

  subscription.dispose();
  await server.untilNobodyListens();
  await socket.dispose();
});
