import { Client, fetchExchange, subscriptionExchange } from "@urql/core";

import { socketClient } from "./socket.mjs";

/** Queries and mutations over HTTP, subscriptions over one WebSocket. */
export function urqlClient(url, options = {}) {
  const socket = socketClient(url);
  const subscriptions = subscriptionExchange({
    forwardSubscription: ({ query, variables, extensions }) => ({
      subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables, extensions }, sink) }),
    }),
  });
  // urql 6 sends queries by GET unless it is told otherwise; both are served.
  const client = new Client({ url: `${url}/graphql`, exchanges: [fetchExchange, subscriptions], ...options });
  return { client, socket };
}
