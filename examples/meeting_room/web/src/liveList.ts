/** One event of a live list: `subscription { meetingSessions(…) { kind id previous node page } }`. */
export interface Change {
  kind: "CURRENT" | "ADDED" | "MODIFIED" | "MOVED" | "REMOVED";
  id: string | null;
  previous: string | null;
  page: { edges: { node: { id: string } }[] } | null;
}

/** The keys of a live list after an event. What a key stands for is in the cache already. */
export function applied(keys: readonly string[], { kind, id, previous, page }: Change): readonly string[] {
  if (kind === "CURRENT") return page?.edges.map(({ node }) => node.id) ?? [];
  if (kind === "MODIFIED" || id === null) return keys;
  const others = keys.filter((key) => key !== id);
  if (kind === "REMOVED") return others;
  return others.toSpliced(previous === null ? 0 : others.indexOf(previous) + 1, 0, id);
}
