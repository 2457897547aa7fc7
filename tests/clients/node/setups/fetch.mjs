/** GraphQL with nothing but what every JavaScript brings. */
export function graphql(url) {
  /** A query or a mutation. `bff` is what is asked for beyond GraphQL: `{ asOf: true }`, `{ minAsOf }`, `{ idempotencyKey }`. */
  async function post(query, variables = {}, bff = {}) {
    const response = await fetch(`${url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/graphql-response+json" },
      body: JSON.stringify({ query, variables, extensions: { bff } }),
    });
    return { status: response.status, ...(await response.json()) };
  }

  /** A query by GET. With the ETag of the answer one has, the server says 304 where that is still right. */
  async function get(query, variables = {}, etag) {
    const parameters = new URLSearchParams({ query, variables: JSON.stringify(variables) });
    const headers = { accept: "application/graphql-response+json", ...(etag && { "if-none-match": etag }) };
    const response = await fetch(`${url}/graphql?${parameters}`, { headers });
    const answer = response.status === 304 ? {} : await response.json();
    return { status: response.status, etag: response.headers.get("etag"), ...answer };
  }

  return { post, get };
}
