import { CombinedGraphQLErrors } from "@apollo/client";
import { useApolloClient, useMutation, useQuery } from "@apollo/client/react";
import { useCallback, useEffect, useMemo, useState } from "react";

import { useConnection } from "./connection";
import {
  CLOSE,
  MEETING,
  MEETING_CHANGES,
  OPEN,
  REGISTER,
  SET_ATTENDANCE,
  type MeetingSession,
  type Registration,
} from "./operations";
import { useResubscribing } from "./useResubscribing";

/** The session with somebody here, or away. */
function withAttendance(session: MeetingSession, userId: string, attending: boolean): MeetingSession {
  const participants = session.participants.map((person) => (person.userId === userId ? { ...person, attending } : person));
  const here = participants.filter((person) => person.attending);
  return {
    ...session,
    participants,
    attending: here.map(({ name, organization, hearingAidRequested }) => ({
      __typename: "Attendee",
      name,
      organization,
      hearingAidRequested,
    })),
    numAttending: here.length,
    numHearingAidRequested: here.filter((person) => person.hearingAidRequested).length,
  };
}

/** What the page says about a change that did not come to be, and that it has taken back if it showed it already. */
function words(error: unknown): string {
  if (!CombinedGraphQLErrors.is(error)) return "The server cannot be reached. Nothing was changed.";
  const said = error.errors.map(({ message, extensions }) =>
    extensions?.code === "CONFLICT" ? "somebody else was faster" : message,
  );
  return `Undone: ${said.join(", ")}.`;
}

export interface Meeting {
  /** undefined while it is not known, null where there is none. */
  session: MeetingSession | null | undefined;
  problem: string | null;
  dismiss: () => void;
  isPending: (userId: string) => boolean;
  isChangingStatus: boolean;
  setAttendance: (userId: string, attending: boolean) => Promise<void>;
  setOpen: (open: boolean) => Promise<void>;
  register: (registration: Registration) => Promise<boolean>;
}

/** A meeting, live, and what one can do about it. */
export function useMeeting(id: string): Meeting {
  const connection = useConnection();
  const [problem, setProblem] = useState<string | null>(null);
  // What was clicked and is not answered yet. It lies over whatever the server says meanwhile, so that a change somebody else
  // makes shows at once; Apollo's own optimistic layer would hide it until the answer.
  const [pending, setPending] = useState<ReadonlyMap<string, boolean>>(new Map());
  const [pendingOpen, setPendingOpen] = useState<boolean | null>(null);
  const query = useQuery(MEETING, { variables: { id } });
  const client = useApolloClient();
  useResubscribing(MEETING_CHANGES, { id }, (data) => {
    // The entity is in the cache by now; that there is one, or none any more, is what the query has to learn.
    client.writeQuery({ query: MEETING, variables: { id }, data });
  });

  // A first query that failed is repeated as soon as the server is back.
  const { error: failed, refetch } = query;
  useEffect(() => {
    if (connection === "live" && failed) void refetch().catch(() => undefined);
  }, [connection, failed, refetch]);

  const [mutateAttendance] = useMutation(SET_ATTENDANCE);
  const [mutateOpen] = useMutation(OPEN);
  const [mutateClose] = useMutation(CLOSE);
  const [mutateRegister] = useMutation(REGISTER);

  const stored = query.data?.meetingSession;
  const session = useMemo(() => {
    if (!stored) return stored;
    const shown = pendingOpen === null ? stored : { ...stored, inSession: pendingOpen };
    return [...pending].reduce((before, [userId, attending]) => withAttendance(before, userId, attending), shown);
  }, [stored, pending, pendingOpen]);

  const attempt = useCallback(
    async (change: () => Promise<unknown>): Promise<boolean> => {
      setProblem(null);
      try {
        await change();
        return true;
      } catch (error) {
        setProblem(words(error));
        // It was refused because things are not as they are shown here: look at how they are.
        if (CombinedGraphQLErrors.is(error)) await refetch().catch(() => undefined);
        return false;
      }
    },
    [refetch],
  );

  const setAttendance = async (userId: string, attending: boolean): Promise<void> => {
    if (pending.has(userId)) return;
    setPending((all) => new Map(all).set(userId, attending));
    await attempt(() => mutateAttendance({ variables: { meetingId: id, userId, attending } }));
    setPending((all) => new Map([...all].filter(([other]) => other !== userId)));
  };

  return {
    session,
    problem,
    dismiss: () => setProblem(null),
    isPending: (userId) => pending.has(userId),
    isChangingStatus: pendingOpen !== null,
    setAttendance,
    setOpen: async (open) => {
      setPendingOpen(open);
      await attempt(() => (open ? mutateOpen({ variables: { id } }) : mutateClose({ variables: { id } })));
      setPendingOpen(null);
    },
    register: (registration) => attempt(() => mutateRegister({ variables: { meetingId: id, ...registration } })),
  };
}
