import type { MeetingSession } from "../operations";

function degrees(value: number, positive: string, negative: string): string {
  return `${Math.abs(value).toFixed(4)}° ${value < 0 ? negative : positive}`;
}

interface Props {
  session: MeetingSession;
  busy: boolean;
  onOpen: (open: boolean) => Promise<void>;
}

export function Header({ session, busy, onOpen }: Props) {
  return (
    <header className="header">
      <div className="header-words">
        <p className={session.inSession ? "badge badge-open" : "badge"} data-testid="status">
          {session.inSession ? "In session" : "Not in session"}
        </p>
        <h1>{session.title}</h1>
        <address>
          <svg aria-hidden="true" viewBox="0 0 20 20">
            <path d="M10 18s6-5.7 6-10.2A6 6 0 0 0 4 7.8C4 12.3 10 18 10 18z" />
            <circle cx="10" cy="7.9" r="2.2" className="pin-hole" />
          </svg>
          <span>{session.address}</span>
          <span className="coordinates">
            {degrees(session.latitude, "N", "S")}, {degrees(session.longitude, "E", "W")}
          </span>
        </address>
      </div>
      <button
        type="button"
        className={session.inSession ? "button button-quiet" : "button"}
        disabled={busy}
        onClick={() => void onOpen(!session.inSession)}
      >
        {session.inSession ? "Close meeting" : "Open meeting"}
      </button>
    </header>
  );
}
