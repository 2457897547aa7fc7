import { useEffect, useState } from "react";

const FIRST = "meeting_1";

function meetingInAddress(): string {
  return new URLSearchParams(location.search).get("meeting") ?? FIRST;
}

/** The meeting that the address names, and how to go to another one. */
export function usePlace(): [string, (meetingId: string) => void] {
  const [meetingId, setMeetingId] = useState(meetingInAddress);
  useEffect(() => {
    const moved = () => setMeetingId(meetingInAddress());
    addEventListener("popstate", moved);
    return () => removeEventListener("popstate", moved);
  }, []);
  const go = (id: string): void => {
    history.pushState(null, "", `?${new URLSearchParams({ meeting: id })}`);
    setMeetingId(id);
    scrollTo({ top: 0 });
  };
  return [meetingId, go];
}
