import { useState } from "react";

import { ConnectionState } from "./components/ConnectionState";
import { InSession } from "./components/InSession";
import { Meetings } from "./components/Meetings";
import { PersonCard } from "./components/PersonCard";
import { Room } from "./components/Room";
import { useConnection } from "./connection";
import { usePlace } from "./usePlace";

export function App() {
  const connection = useConnection();
  const [meetingId, go] = usePlace();
  const [personId, setPersonId] = useState<string | null>(null);

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

      <main>
        <Room key={meetingId} meetingId={meetingId} onPerson={setPersonId} />
        {personId !== null && <PersonCard key={personId} id={personId} onGo={go} onClose={() => setPersonId(null)} />}
        <div className="columns columns-even">
          <InSession onGo={go} onPerson={setPersonId} />
          <Meetings onGo={go} onPerson={setPersonId} />
        </div>
      </main>

      <footer>
        <span>
          Views, precomputed on the server and pushed here with every change. Open this page twice and watch.
        </span>
      </footer>
    </div>
  );
}
