import type { OperationVariables, TypedDocumentNode } from "@apollo/client";
import { useSubscription } from "@apollo/client/react";
import { useEffect } from "react";

const RESUBSCRIBE_AFTER = 2_000;

/** A subscription for as long as it is on screen: the socket connects again by itself, and what the server ended is asked for anew. */
export function useResubscribing<Data, Variables extends OperationVariables>(
  subscription: TypedDocumentNode<Data, Variables>,
  variables: Variables,
  onData: (data: Data) => void,
): Data | undefined {
  const { data, error, restart } = useSubscription<Data, OperationVariables>(subscription, {
    variables,
    onData: (result) => {
      if (result.data.data) onData(result.data.data as Data);
    },
  });
  useEffect(() => {
    if (!error) return;
    const timer = setTimeout(restart, RESUBSCRIBE_AFTER);
    return () => clearTimeout(timer);
  }, [error, restart]);
  return data as Data | undefined;
}
