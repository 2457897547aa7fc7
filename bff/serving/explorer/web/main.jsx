// GraphiQL at the GraphQL path itself: queries and mutations by POST, subscriptions over graphql-transport-ws.
import { GraphiQL } from "graphiql";
import "graphiql/graphiql.css";
import { getOperationAST, parse } from "graphql";
import { createClient } from "graphql-ws";
import { createRoot } from "react-dom/client";

const address = window.location.pathname;

async function post(parameters, headers) {
  const response = await fetch(address, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
      ...headers,
    },
    body: JSON.stringify(parameters),
  });
  return response.json();
}

// A browser cannot set headers on a WebSocket: they are the payload of its connection_init.
let opened = { headers: null, client: null };

function subscribe(parameters, headers) {
  const key = JSON.stringify(headers ?? {});
  if (opened.headers !== key) {
    opened.client?.dispose();
    const url = new URL(address, window.location.href);
    url.protocol = url.protocol.replace("http", "ws");
    opened = { headers: key, client: createClient({ url: url.href, connectionParams: headers ?? {} }) };
  }
  return opened.client.iterate(parameters);
}

// Read from the text: what GraphiQL says of it lags behind the editor.
function isSubscription({ query, operationName }) {
  try {
    return getOperationAST(parse(query), operationName)?.operation === "subscription";
  } catch {
    return false; // The server says what is wrong with it.
  }
}

function fetcher(parameters, options) {
  const send = isSubscription(parameters) ? subscribe : post;
  return send(parameters, options?.headers);
}

const welcome = `# Queries, mutations and subscriptions of this app.
#
# Ctrl-Space completes, Ctrl-Enter runs. The book on the left is the documentation.
# The headers below are sent with each request, and as the payload of connection_init of a subscription.

`;

createRoot(document.getElementById("explorer")).render(<GraphiQL fetcher={fetcher} defaultQuery={welcome} />);
