/** What stands where the meeting will be, in its shape, so that nothing jumps when it comes. */
export function Loading() {
  return (
    <div role="status" aria-label="Loading the meeting">
      <div className="bone bone-badge" />
      <div className="bone bone-title" />
      <div className="bone bone-line" />
      <div className="numbers">
        <div className="bone bone-number" />
        <div className="bone bone-number" />
        <div className="bone bone-number" />
      </div>
      <div className="bone bone-card" />
    </div>
  );
}

export function NoMeeting({ id }: { id: string }) {
  return (
    <section className="card nothing">
      <h1>There is no meeting here yet</h1>
      <p>
        The server knows no meeting <code>{id}</code>. As soon as it does, it appears on this page. The example's own meeting
        is written by
      </p>
      <pre>python -m meeting_room.seed</pre>
    </section>
  );
}
