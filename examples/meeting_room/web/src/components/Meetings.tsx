import { useQuery } from "@apollo/client/react";
import { useEffect, useState } from "react";

import { useConnection } from "../connection";
import { MEETINGS, type SessionFilter } from "../operations";
import { MeetingRow } from "./MeetingRow";

const PAGE = 3;
// Behind every character: what begins with "Ca" is from "Ca" up to "Ca" and this.
const LAST = "\uffff";

function filterOf(onlyInSession: boolean, beginning: string): SessionFilter {
  return {
    ...(onlyInSession && { inSession: { eq: true } }),
    ...(beginning !== "" && { title: { gte: beginning, lt: beginning + LAST } }),
  };
}

interface Props {
  onGo: (meetingId: string) => void;
  onPerson: (userId: string) => void;
}

/** Every meeting by its title, a page at a time, and those that a filter lets through. */
export function Meetings({ onGo, onPerson }: Props) {
  const connection = useConnection();
  const [onlyInSession, setOnlyInSession] = useState(false);
  const [beginning, setBeginning] = useState("");
  const variables = { filter: filterOf(onlyInSession, beginning.trim()), first: PAGE };
  const { data, previousData, loading, error, refetch, fetchMore } = useQuery(MEETINGS, {
    variables,
    notifyOnNetworkStatusChange: true,
  });
  useEffect(() => {
    if (connection === "live" && error) void refetch().catch(() => undefined);
  }, [connection, error, refetch]);

  const page = (data ?? previousData)?.meetingSessions;
  return (
    <section className="card" aria-labelledby="meetings-title" aria-busy={loading}>
      <h2 id="meetings-title">All meetings</h2>
      <form className="filter" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          Title begins with
          <input type="search" value={beginning} onChange={(event) => setBeginning(event.target.value)} autoComplete="off" />
        </label>
        <label className="check">
          <input type="checkbox" checked={onlyInSession} onChange={(event) => setOnlyInSession(event.target.checked)} />
          Only in session
        </label>
      </form>
      {page?.edges.length === 0 && <p className="empty">No meeting is like that.</p>}
      <ol className="meetings" data-testid="meetings">
        {page?.edges.map(({ node }) => <MeetingRow key={node.id} id={node.id} onGo={onGo} onPerson={onPerson} />)}
      </ol>
      {page?.pageInfo.hasNextPage && (
        <button
          type="button"
          className="button button-quiet"
          disabled={loading}
          onClick={() => void fetchMore({ variables: { after: page.pageInfo.endCursor } }).catch(() => undefined)}
        >
          Show more
        </button>
      )}
    </section>
  );
}
