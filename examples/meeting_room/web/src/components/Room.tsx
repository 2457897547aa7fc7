import { useEffect } from "react";

import { useNews } from "../news";
import { useMeeting } from "../useMeeting";
import { Header } from "./Header";
import { Numbers } from "./Numbers";
import { People } from "./People";
import { Loading, NoMeeting } from "./Placeholders";
import { Problem } from "./Problem";
import { Register } from "./Register";

interface Props {
  meetingId: string;
  onPerson: (userId: string) => void;
}

/** One meeting, and what one can do about it. */
export function Room({ meetingId, onPerson }: Props) {
  const meeting = useMeeting(meetingId);
  const { session } = meeting;
  const news = useNews(session);

  useEffect(() => {
    document.title = session ? `(${session.numAttending}) ${session.title}` : "Meeting room";
  }, [session]);

  return (
    <div aria-busy={session === undefined}>
      {session === undefined && <Loading />}
      {session === null && <NoMeeting id={meetingId} />}
      {session && (
        <>
          <Header session={session} busy={meeting.isChangingStatus} onOpen={meeting.setOpen} />
          <Numbers session={session} />
          <div className="columns">
            <People session={session} isPending={meeting.isPending} onAttendance={meeting.setAttendance} onPerson={onPerson} />
            <Register onRegister={meeting.register} />
          </div>
          <p className="version">
            version <code data-testid="version">{session.version}</code>
          </p>
        </>
      )}
      <p className="visually-hidden" role="status" aria-live="polite" data-testid="news">
        {news}
      </p>
      <Problem text={meeting.problem} onDismiss={meeting.dismiss} />
    </div>
  );
}
