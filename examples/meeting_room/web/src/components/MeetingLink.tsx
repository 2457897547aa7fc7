import type { MouseEvent, ReactNode } from "react";

interface Props {
  id: string;
  onGo: (meetingId: string) => void;
  children: ReactNode;
}

/** A link to a meeting, which a click follows without loading the page anew. */
export function MeetingLink({ id, onGo, children }: Props) {
  const follow = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onGo(id);
  };
  return (
    <a href={`?${new URLSearchParams({ meeting: id })}`} onClick={follow}>
      {children}
    </a>
  );
}
