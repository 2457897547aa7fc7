import { useEffect, useRef, useState } from "react";

import type { MeetingSession } from "./operations";

/** What changed from one state to the next, in words. */
export function news(before: MeetingSession, after: MeetingSession): string {
  const parts: string[] = [];
  if (before.inSession !== after.inSession) parts.push(after.inSession ? "The meeting is in session." : "The meeting is closed.");
  const known = new Map(before.participants.map((person) => [person.userId, person]));
  for (const person of after.participants) {
    const was = known.get(person.userId);
    known.delete(person.userId);
    if (!was) parts.push(`${person.name} registered.`);
    else if (was.attending !== person.attending) parts.push(`${person.name} ${person.attending ? "arrived" : "left"}.`);
  }
  for (const person of known.values()) parts.push(`${person.name} is not registered any more.`);
  if (parts.length > 0 && before.attending.length !== after.attending.length) {
    parts.push(`${after.attending.length} of ${after.participants.length} here.`);
  }
  return parts.join(" ");
}

/** The last change in words, for those who do not see the list change. */
export function useNews(session: MeetingSession | null | undefined): string {
  const previous = useRef<MeetingSession | null>(null);
  const [text, setText] = useState("");
  useEffect(() => {
    if (!session) return;
    if (previous.current) {
      const now = news(previous.current, session);
      if (now) setText(now);
    }
    previous.current = session;
  }, [session]);
  return text;
}
