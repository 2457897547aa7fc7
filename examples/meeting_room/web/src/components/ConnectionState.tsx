import type { Connection } from "../connection";

const WORDS: Record<Connection, string> = {
  connecting: "Connecting…",
  live: "Live",
  lost: "Reconnecting…",
};

export function ConnectionState({ connection }: { connection: Connection }) {
  return (
    <span className={`connection connection-${connection}`} role="status" aria-label="Connection" data-testid="connection">
      <span className="dot" aria-hidden="true" />
      {WORDS[connection]}
    </span>
  );
}
