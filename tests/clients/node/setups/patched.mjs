import jsonPatch from "fast-json-patch";

/** A client whose subscriptions travel as patches (RFC 6902); who subscribes is given whole results, as ever. */
export function patched(client) {
  function subscribe(request, sink) {
    let data;
    const bff = { ...request.extensions?.bff, patch: true };
    return client.subscribe(
      { ...request, extensions: { ...request.extensions, bff } },
      {
        next(result) {
          const patch = result.extensions?.bff?.patch;
          data = patch ? jsonPatch.applyPatch(data, patch, false, false).newDocument : result.data;
          sink.next({ ...result, data });
        },
        error: (problem) => sink.error(problem),
        complete: () => sink.complete(),
      },
    );
  }
  return { ...client, subscribe };
}
