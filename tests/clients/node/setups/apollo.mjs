import { createHash } from "node:crypto";

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";

import { socketClient } from "./socket.mjs";

const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;

/** Queries and mutations over HTTP, subscriptions over one WebSocket, one cache for both. */
export function apolloOverSockets(url) {
  const socket = socketClient(url);
  const http = new HttpLink({ uri: `${url}/graphql` });
  const client = new ApolloClient({
    link: ApolloLink.split(isSubscription, new GraphQLWsLink(socket), http),
    // Views are kept under their type and id. Lists inside a view arrive whole: a new one replaces the old one.
    cache: new InMemoryCache({ typePolicies: { MeetingSession: { fields: { attending: { merge: false } } } } }),
  });
  return { client, socket };
}

/** Queries by GET: what a browser and a CDN may keep, and ask for again by its ETag. Mutations stay POST. */
export function apolloByGet(url, options = {}) {
  const http = new HttpLink({ uri: `${url}/graphql`, useGETForQueries: true, ...options });
  return new ApolloClient({ link: http, cache: new InMemoryCache() });
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** Automatic persisted queries: a hash instead of the text, the text only when the server does not know it. */
export function apolloByHash(url, { useGETForHashedQueries = false, ...options } = {}) {
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries });
  const http = new HttpLink({ uri: `${url}/graphql`, ...options });
  return new ApolloClient({ link: persisted.concat(http), cache: new InMemoryCache() });
}

/** Everything over HTTP: a subscription is a multipart response that goes on, where a WebSocket does not get through. */
export function apolloByMultipart(url, options = {}) {
  const http = new HttpLink({ uri: `${url}/graphql`, ...options });
  return new ApolloClient({ link: http, cache: new InMemoryCache() });
}
