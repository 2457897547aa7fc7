import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { relayStylePagination } from "@apollo/client/utilities";
import { OperationTypeNode } from "graphql";

import { socketClient } from "./connection";
import { onlyNewer } from "./onlyNewer";
import { resuming } from "./resuming.js";

/** Queries and mutations over HTTP, subscriptions over one WebSocket, one cache for both. */
export const client = new ApolloClient({
  link: ApolloLink.from([
    onlyNewer(),
    ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(resuming(socketClient)),
      new HttpLink({ uri: "/graphql" }),
    ),
  ]),
  cache: new InMemoryCache({
    typePolicies: {
      // The pages of one list become one list.
      Query: { fields: { meetingSessions: relayStylePagination(["filter", "orderBy"]) } },
      // Lists inside a view arrive whole: a new one replaces the old one.
      MeetingSession: { fields: { attending: { merge: false }, participants: { merge: false } } },
      UserView: { fields: { meetings: { merge: false } } },
    },
  }),
});
