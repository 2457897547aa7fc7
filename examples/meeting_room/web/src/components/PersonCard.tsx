import { useEffect, useRef, useState } from "react";

import { PERSON, type Person } from "../operations";
import { useResubscribing } from "../useResubscribing";
import { MeetingLink } from "./MeetingLink";

interface Props {
  id: string;
  onGo: (meetingId: string) => void;
  onClose: () => void;
}

/** Somebody and their meetings: one view that links to others. The subscription follows the links, so all of it is live. */
export function PersonCard({ id, onGo, onClose }: Props) {
  const [person, setPerson] = useState<Person | null>();
  useResubscribing(PERSON, { id }, ({ userView }) => setPerson(userView));
  // It stands below what may have been pressed, or above it: they look at it, and their keyboard goes on from there.
  const card = useRef<HTMLElement>(null);
  const loading = person === undefined;
  useEffect(() => {
    card.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    card.current?.scrollIntoView({ block: "nearest" });
  }, [loading]);
  return (
    <section
      ref={card}
      tabIndex={-1}
      className="card person-card"
      aria-labelledby="person-title"
      aria-busy={loading}
      onKeyDown={(event) => event.key === "Escape" && onClose()}
    >
      <header>
        <h2 id="person-title">{person ? person.name : person === null ? "Nobody is known by that name" : "…"}</h2>
        <button type="button" className="problem-close" aria-label="Close" onClick={onClose}>
          ×
        </button>
      </header>
      {person && (
        <>
          <p className="about">
            <span>{person.organization}</span>
            {person.hearingAidRequested && <span className="tag tag-aid">Hearing aid</span>}
          </p>
          <ul className="meetings">
            {person.meetings.map((meeting) => (
              <li key={meeting.id} className="meeting" data-meeting={meeting.id}>
                <MeetingLink id={meeting.id} onGo={onGo}>
                  {meeting.title}
                </MeetingLink>
                {meeting.inSession && <span className="tag">In session</span>}
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}
