import { graphql } from "relay-runtime";

export const query = graphql`
  query meetingsQuery($count: Int!, $cursor: String) {
    meetingSessions(first: $count, after: $cursor, orderBy: [{ field: TITLE }]) @connection(key: "meetings_meetingSessions") {
      edges {
        node {
          id
          title
          inSession
        }
      }
    }
  }
`;

export const changes = graphql`
  subscription meetingsChangesSubscription($id: ID!) {
    meetingSession(id: $id) {
      id
      inSession
    }
  }
`;

export const close = graphql`
  mutation meetingsCloseMutation($id: ID!) {
    meetingClose(id: $id) {
      id
      inSession
    }
  }
`;
