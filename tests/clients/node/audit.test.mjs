// The public audit of GraphQL over HTTP: https://github.com/graphql/graphql-http#audits
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { serverAudits } from "graphql-http";

import { Server } from "../server.mjs";

const AUDITS = 61;

const server = new Server();
const audits = serverAudits({ url: `${server.url}/graphql` });
before(() => server.start());
after(() => server.kill());

test("there are as many audits as we count", () => {
  assert.equal(audits.length, AUDITS);
});

for (const { id, name, fn } of audits) {
  test(`${id} ${name}`, async () => {
    const result = await fn();
    // "notice" stands for a MAY, "warn" for a SHOULD, "error" for a MUST: none is let pass.
    assert.equal(result.status, "ok", result.reason);
  });
}
