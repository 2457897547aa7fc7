import relay from "relay-runtime";

import { socketClient } from "./socket.mjs";

const { Environment, Network, Observable, RecordSource, Store } = relay;

/** A Relay environment: queries and mutations over HTTP, subscriptions over one WebSocket. */
export function relayEnvironment(url) {
  const socket = socketClient(url);

  async function fetchQuery({ text, name }, variables) {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: text, operationName: name, variables }),
    });
    const result = await response.json();
    // A mutation that was refused has errors beside null: Relay would fail on the null with words of its own.
    if (result.errors && !result.data) throw Object.assign(new Error(result.errors[0].message), { errors: result.errors });
    return result;
  }

  const subscribe = ({ text, name }, variables) =>
    Observable.create((sink) => socket.subscribe({ query: text, operationName: name, variables }, sink));

  const environment = new Environment({
    network: Network.create(fetchQuery, subscribe),
    store: new Store(new RecordSource()),
    // The id of a view is the id of its root document: a meeting and a person may have the same one.
    getDataID: ({ id }, typeName) => (id ? `${typeName}:${id}` : undefined),
  });
  return { environment, socket };
}
