import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";

import { socketClient } from "./connection";
import { onlyNewer } from "./onlyNewer";

/** Queries and mutations over HTTP, subscriptions over one WebSocket, one cache for both. */
export const client = new ApolloClient({
  link: ApolloLink.from([
    onlyNewer(),
    ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socketClient),
      new HttpLink({ uri: "/graphql" }),
    ),
  ]),
  cache: new InMemoryCache({
    // Lists arrive whole: a new one replaces the old one.
    typePolicies: { MeetingSession: { fields: { attending: { merge: false }, participants: { merge: false } } } },
  }),
});
