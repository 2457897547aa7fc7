import { createClient } from "graphql-ws";

import { resuming } from "../../../../examples/meeting_room/web/src/resuming.js";

/** One WebSocket for all subscriptions: it connects again for as long as it takes, and is then sent only what is newer. */
export function socketClient(url) {
  return resuming(
    createClient({
      url: `${url.replace(/^http/, "ws")}/graphql`,
      retryAttempts: Infinity,
      shouldRetry: () => true,
    }),
  );
}
