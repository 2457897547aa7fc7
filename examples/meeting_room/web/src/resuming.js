/**
 * A client of graphql-ws (or of graphql-sse) whose subscriptions resume.
 *
 * Both clients connect again by themselves and then send the same request once more. Here the request names the version that was
 * seen last (`extensions.bff.since`), so that the server sends what is newer, and nothing where nothing is. The request is an
 * object that is turned into JSON when it is sent: to change it in between is all it takes.
 *
 * @template {{ subscribe(request: any, sink: any): () => void }} Client
 * @param {Client} client
 * @returns {Client}
 */
export function resuming(client) {
  /** @type {Client["subscribe"]} */
  const subscribe = (request, sink) => {
    const bff = { ...request.extensions?.bff };
    return client.subscribe(
      { ...request, extensions: { ...request.extensions, bff } },
      {
        next: (/** @type {any} */ result) => {
          bff.since = result.extensions?.bff?.version ?? bff.since;
          sink.next(result);
        },
        error: (/** @type {unknown} */ problem) => sink.error(problem),
        complete: () => sink.complete(),
      },
    );
  };
  return { ...client, subscribe };
}
