import { ApolloLink } from "@apollo/client";
import { map } from "rxjs";

interface Versioned {
  __typename: string;
  id: string;
  version: string;
}

function isVersioned(value: object): value is Versioned {
  return "__typename" in value && "id" in value && "version" in value;
}

/**
 * Lets no view go back in time. The answer to a mutation, a page of a list and the next state of a subscription travel on two
 * connections, so the older one may arrive last: what is known of a newer version takes the place of its fields.
 */
export function onlyNewer(): ApolloLink {
  const newest = new Map<string, Versioned>();

  function newer(value: unknown): unknown {
    if (Array.isArray(value)) return value.map(newer);
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).map(([name, inside]) => [name, newer(inside)] as const);
    const renewed: object = Object.fromEntries(fields);
    return isVersioned(renewed) ? newestOf(renewed) : renewed;
  }

  function newestOf(view: Versioned): Versioned {
    const key = `${view.__typename}:${view.id}`;
    const seen = newest.get(key);
    const age = seen === undefined ? 1n : BigInt(view.version) - BigInt(seen.version);
    if (age < 0n) {
      const known = Object.entries(seen!).filter(([name]) => name in view);
      return { ...view, ...Object.fromEntries(known) };
    }
    newest.set(key, age === 0n ? { ...seen, ...view } : view);
    return view;
  }

  return new ApolloLink((operation, forward) =>
    forward(operation).pipe(map((result) => ({ ...result, data: newer(result.data) }) as typeof result)),
  );
}
