import { createClient } from "graphql-sse";

import { resuming } from "../../../../examples/meeting_room/web/src/resuming.js";

/** Subscriptions as server-sent events: a connection for each or, with `singleConnection`, one for all of them. */
export function sseClient(url, { singleConnection = false, ...options } = {}) {
  return resuming(
    createClient({
      url: `${url}/graphql`,
      singleConnection,
      retryAttempts: Infinity,
      ...options,
    }),
  );
}
