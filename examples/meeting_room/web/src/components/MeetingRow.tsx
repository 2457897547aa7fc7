import { useFragment } from "@apollo/client/react";

import { SUMMARY } from "../operations";
import { MeetingLink } from "./MeetingLink";

interface Props {
  id: string;
  onGo: (meetingId: string) => void;
  onPerson: (userId: string) => void;
}

/** A meeting in a list, as the cache has it: whatever brings news of it, they show here. */
export function MeetingRow({ id, onGo, onPerson }: Props) {
  const { data, complete } = useFragment({ fragment: SUMMARY, from: { __typename: "MeetingSession", id } });
  if (!complete) return null;
  const { title, address, inSession, numAttending, seats, host } = data;
  return (
    <li className="meeting" data-meeting={id}>
      <span className="who">
        <span className="name">
          <MeetingLink id={id} onGo={onGo}>
            {title}
          </MeetingLink>
        </span>
        <span className="about">
          <span>{address}</span>
          {host && (
            <button type="button" className="link" onClick={() => onPerson(host.id)}>
              {host.name}
            </button>
          )}
          {inSession && <span className="tag">In session</span>}
        </span>
      </span>
      <span className="count">
        <strong>{numAttending}</strong> {seats === null ? "here" : `of ${seats} seats`}
      </span>
    </li>
  );
}
