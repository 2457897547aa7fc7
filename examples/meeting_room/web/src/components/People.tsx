import type { MeetingSession, Participant } from "../operations";

const HUES = [168, 212, 262, 24, 332, 96];

function initials(name: string): string {
  const parts = name.split(/\s+/).filter(Boolean);
  return [parts[0], parts.length > 1 ? parts.at(-1) : undefined].map((part) => [...(part ?? "")][0] ?? "").join("");
}

function hue(id: string): number {
  const sum = [...id].reduce((total, letter) => (total * 31 + (letter.codePointAt(0) ?? 0)) % 9973, 7);
  return HUES[sum % HUES.length] ?? 168;
}

interface PersonProps {
  person: Participant;
  pending: boolean;
  onAttendance: (userId: string, attending: boolean) => Promise<void>;
  onPerson: (userId: string) => void;
}

function Person({ person, pending, onAttendance, onPerson }: PersonProps) {
  return (
    <li className={person.attending ? "person" : "person person-away"} data-user={person.userId}>
      <span className="avatar" aria-hidden="true" style={{ "--hue": hue(person.userId) } as React.CSSProperties}>
        {initials(person.name)}
      </span>
      <span className="who">
        <span className="name">
          <button type="button" className="link" onClick={() => onPerson(person.userId)}>
            {person.name}
          </button>
        </span>
        <span className="about">
          <span>{person.organization}</span>
          {person.role === "HOST" && <span className="tag">Host</span>}
          {person.hearingAidRequested && (
            <span className="tag tag-aid">
              <svg aria-hidden="true" viewBox="0 0 20 20">
                <path d="M6 8a4.5 4.5 0 0 1 9 0c0 3-3 3.8-3 6.3 0 1.6-1.1 2.7-2.5 2.7S7 16 7 14.6" />
                <path d="M8.5 8.2a2 2 0 0 1 4 0c0 1.2-1.3 1.5-1.3 2.7" />
              </svg>
              Hearing aid
            </span>
          )}
        </span>
      </span>
      <button
        type="button"
        role="switch"
        className="switch"
        aria-checked={person.attending}
        aria-label={`${person.name} is here`}
        aria-busy={pending}
        onClick={() => void onAttendance(person.userId, !person.attending)}
      >
        <span className="switch-words" aria-hidden="true">
          {person.attending ? "Here" : "Away"}
        </span>
        <span className="switch-track" aria-hidden="true">
          <span className="switch-thumb" />
        </span>
      </button>
    </li>
  );
}

interface Props {
  session: MeetingSession;
  isPending: (userId: string) => boolean;
  onAttendance: (userId: string, attending: boolean) => Promise<void>;
  onPerson: (userId: string) => void;
}

export function People({ session, isPending, onAttendance, onPerson }: Props) {
  return (
    <section className="card people" aria-labelledby="people-title">
      <h2 id="people-title">Who is here</h2>
      {session.participants.length === 0 ? (
        <p className="empty">Nobody has registered yet. The form adds the first person.</p>
      ) : (
        <ul>
          {session.participants.map((person) => (
            <Person
              key={person.userId}
              person={person}
              pending={isPending(person.userId)}
              onAttendance={onAttendance}
              onPerson={onPerson}
            />
          ))}
        </ul>
      )}
    </section>
  );
}
