import { ApolloLink } from "@apollo/client";
import { map } from "rxjs";

interface Versioned {
  __typename: string;
  id: string;
  version: string;
}

function isVersioned(value: unknown): value is Versioned {
  return typeof value === "object" && value !== null && "__typename" in value && "id" in value && "version" in value;
}

/**
 * Lets no view go back in time. The answer to a mutation and the next state of a subscription travel on two connections,
 * so the older of the two may arrive last: it is replaced with the newest that was seen.
 */
export function onlyNewer(): ApolloLink {
  const newest = new Map<string, Versioned>();

  function newer(value: unknown): unknown {
    if (!isVersioned(value)) return value;
    const key = `${value.__typename}:${value.id}`;
    const seen = newest.get(key);
    if (seen !== undefined && BigInt(seen.version) > BigInt(value.version)) return seen;
    newest.set(key, value);
    return value;
  }

  return new ApolloLink((operation, forward) =>
    forward(operation).pipe(
      map((result) => {
        if (!result.data) return result;
        const data = Object.fromEntries(Object.entries(result.data).map(([name, value]) => [name, newer(value)]));
        return { ...result, data } as typeof result;
      }),
    ),
  );
}
