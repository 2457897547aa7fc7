import { CombinedGraphQLErrors } from "@apollo/client";
import { useMutation, useQuery, useSubscription } from "@apollo/client/react";
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

const RESUBSCRIBE_AFTER = 2_000;

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
    numHearingAidRequested: here.filter((person) => person.hearingAidRequested).length,
  };
}

function words(error: unknown): string {
  if (CombinedGraphQLErrors.is(error)) return error.errors.map((one) => one.message).join(" ");
  return "The server cannot be reached. Nothing was changed.";
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
  const query = useQuery(MEETING, { variables: { id } });
  const subscription = useSubscription(MEETING_CHANGES, {
    variables: { id },
    onData: ({ client, data }) => {
      // The entity is in the cache by now; that there is one, or none any more, is what the query has to learn.
      if (data.data) client.writeQuery({ query: MEETING, variables: { id }, data: data.data });
    },
  });

  // The socket client reconnects by itself; a subscription that the server ended with an error is asked for again here.
  const { error: ended, restart } = subscription;
  useEffect(() => {
    if (!ended) return;
    const timer = setTimeout(restart, RESUBSCRIBE_AFTER);
    return () => clearTimeout(timer);
  }, [ended, restart]);

  // A first query that failed is repeated as soon as the server is back.
  const { error: failed, refetch } = query;
  useEffect(() => {
    if (connection === "live" && failed) void refetch().catch(() => undefined);
  }, [connection, failed, refetch]);

  const [mutateAttendance] = useMutation(SET_ATTENDANCE);
  const [mutateOpen, opening] = useMutation(OPEN);
  const [mutateClose, closing] = useMutation(CLOSE);
  const [mutateRegister] = useMutation(REGISTER);

  const stored = query.data?.meetingSession;
  const session = useMemo(
    () => stored && [...pending].reduce((shown, [userId, attending]) => withAttendance(shown, userId, attending), stored),
    [stored, pending],
  );

  const attempt = useCallback(async (change: () => Promise<unknown>): Promise<boolean> => {
    setProblem(null);
    try {
      await change();
      return true;
    } catch (error) {
      setProblem(words(error));
      return false;
    }
  }, []);

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
    isChangingStatus: opening.loading || closing.loading,
    setAttendance,
    setOpen: async (open) => {
      await attempt(() => (open ? mutateOpen({ variables: { id } }) : mutateClose({ variables: { id } })));
    },
    register: (registration) => attempt(() => mutateRegister({ variables: { meetingId: id, ...registration } })),
  };
}
