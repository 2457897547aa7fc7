import { useState } from "react";

import { applied } from "../liveList";
import { IN_SESSION } from "../operations";
import { useResubscribing } from "../useResubscribing";
import { MeetingRow } from "./MeetingRow";

const SHOWN = 5;

interface Props {
  onGo: (meetingId: string) => void;
  onPerson: (userId: string) => void;
}

/** A live window: the meetings in session, those with the most people first. They come, go and move as it happens. */
export function InSession({ onGo, onPerson }: Props) {
  const [keys, setKeys] = useState<readonly string[] | null>(null);
  useResubscribing(IN_SESSION, { first: SHOWN }, ({ meetingSessions }) => {
    setKeys((before) => applied(before ?? [], meetingSessions));
  });
  return (
    <section className="card" aria-labelledby="in-session-title">
      <h2 id="in-session-title">In session now</h2>
      {keys?.length === 0 && <p className="empty">No meeting is in session.</p>}
      <ol className="meetings" data-testid="in-session">
        {keys?.map((id) => <MeetingRow key={id} id={id} onGo={onGo} onPerson={onPerson} />)}
      </ol>
    </section>
  );
}
