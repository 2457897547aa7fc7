/** What went wrong with the last thing one tried. */
export function Problem({ text, onDismiss }: { text: string | null; onDismiss: () => void }) {
  return (
    <div role="alert" className="problem-place">
      {text !== null && (
        <div className="problem">
          <span>{text}</span>
          <button type="button" className="problem-close" onClick={onDismiss} aria-label="Dismiss">
            ×
          </button>
        </div>
      )}
    </div>
  );
}
