import type { MeetingSession } from "../operations";

export function Numbers({ session }: { session: MeetingSession }) {
  const here = session.attending.length;
  const registered = session.participants.length;
  const organizations = new Set(session.attending.map((attendee) => attendee.organization)).size;
  const share = registered === 0 ? 0 : here / registered;
  return (
    <dl className="numbers">
      <div className="number">
        <dt>Here now</dt>
        <dd>
          <strong data-testid="here">{here}</strong> <span className="unit">{session.seats === null ? `of ${registered}` : `of ${registered}, ${session.seats} seats`}</span>
        </dd>
        <div className="share" aria-hidden="true">
          <div className="share-filled" style={{ transform: `scaleX(${share})` }} />
        </div>
      </div>
      <div className="number">
        <dt>Hearing aids requested</dt>
        <dd>
          <strong data-testid="hearing-aids">{session.numHearingAidRequested}</strong> <span className="unit">to have ready</span>
        </dd>
      </div>
      <div className="number">
        <dt>Organizations</dt>
        <dd>
          <strong>{organizations}</strong> <span className="unit">in the room</span>
        </dd>
      </div>
    </dl>
  );
}
