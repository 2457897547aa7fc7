import { createClient } from "graphql-ws";
import { useSyncExternalStore } from "react";

export type Connection = "connecting" | "live" | "lost";

let state: Connection = "connecting";
const listeners = new Set<() => void>();

function become(next: Connection): void {
  if (next === state) return;
  state = next;
  for (const listener of listeners) listener();
}

export function onConnection(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function currentConnection(): Connection {
  return state;
}

/** Whether what the page shows is live. */
export function useConnection(): Connection {
  return useSyncExternalStore(onConnection, currentConnection);
}

const PING_EVERY = 10_000;
const PONG_WITHIN = 5_000;
const LONGEST_WAIT = 4_000;

function socketUrl(): string {
  return `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`;
}

// A network that goes away silently closes nothing: only a missing pong tells.
let pongTimeout: ReturnType<typeof setTimeout> | undefined;
let socket: WebSocket | undefined;

/** graphql-transport-ws that never gives up: it connects again, and resubscribes, for as long as the page is open. */
export const socketClient = createClient({
  url: socketUrl,
  keepAlive: PING_EVERY,
  retryAttempts: Infinity,
  shouldRetry: () => true,
  retryWait: (retries) => {
    const longest = Math.min(LONGEST_WAIT, 250 * 2 ** retries);
    return new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
  },
  on: {
    connected: (opened) => {
      socket = opened as WebSocket;
      become("live");
    },
    closed: () => {
      clearTimeout(pongTimeout);
      become("lost");
    },
    ping: (received) => {
      if (received) return;
      clearTimeout(pongTimeout);
      pongTimeout = setTimeout(() => {
        if (socket?.readyState === WebSocket.OPEN) socket.close(4408, "no pong");
      }, PONG_WITHIN);
    },
    pong: (received) => {
      if (received) clearTimeout(pongTimeout);
    },
  },
});
