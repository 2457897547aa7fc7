import { useEffect } from "react";

import { ConnectionState } from "./components/ConnectionState";
import { Header } from "./components/Header";
import { Loading, NoMeeting } from "./components/Placeholders";
import { Numbers } from "./components/Numbers";
import { People } from "./components/People";
import { Problem } from "./components/Problem";
import { Register } from "./components/Register";
import { useConnection } from "./connection";
import { useNews } from "./news";
import { useMeeting } from "./useMeeting";

export function App({ meetingId }: { meetingId: string }) {
  const connection = useConnection();
  const meeting = useMeeting(meetingId);
  const { session } = meeting;
  const news = useNews(session);

  useEffect(() => {
    document.title = session ? `(${session.attending.length}) ${session.title}` : "Meeting room";
  }, [session]);

  return (
    <div className="page">
      <header className="bar">
        <span className="brand">
          <svg aria-hidden="true" viewBox="0 0 32 32">
            <rect width="32" height="32" rx="9" className="brand-back" />
            <circle cx="11" cy="13" r="4" />
            <circle cx="21" cy="13" r="4" opacity=".65" />
            <path d="M5 25c0-4 3-6 6-6s6 2 6 6z" />
            <path d="M18 25c0-2-.6-3.6-1.6-4.8 1-.8 2.6-1.2 4.6-1.2 3 0 6 2 6 6z" opacity=".65" />
          </svg>
          Meeting room
        </span>
        <ConnectionState connection={connection} />
      </header>

      <main aria-busy={session === undefined}>
        {session === undefined && <Loading />}
        {session === null && <NoMeeting id={meetingId} />}
        {session && (
          <>
            <Header session={session} busy={meeting.isChangingStatus} onOpen={meeting.setOpen} />
            <Numbers session={session} />
            <div className="columns">
              <People session={session} isPending={meeting.isPending} onAttendance={meeting.setAttendance} />
              <Register onRegister={meeting.register} />
            </div>
          </>
        )}
      </main>

      <footer>
        <span>
          One view, precomputed on the server and pushed here with every change. Open this page twice and watch.
        </span>
        {session && (
          <span className="version">
            version <code data-testid="version">{session.version}</code>
          </span>
        )}
      </footer>

      <p className="visually-hidden" role="status" aria-live="polite" data-testid="news">
        {news}
      </p>
      <Problem text={meeting.problem} onDismiss={meeting.dismiss} />
    </div>
  );
}
