import { gql, type TypedDocumentNode } from "@apollo/client";

export type Role = "HOST" | "PARTICIPANT";

export interface Attendee {
  __typename: "Attendee";
  name: string;
  organization: string;
  hearingAidRequested: boolean;
}

export interface Participant {
  __typename: "Participant";
  userId: string;
  name: string;
  organization: string;
  hearingAidRequested: boolean;
  role: Role;
  attending: boolean;
}

export interface MeetingSession {
  __typename: "MeetingSession";
  id: string;
  version: string;
  title: string;
  address: string;
  latitude: number;
  longitude: number;
  inSession: boolean;
  seats: number | null;
  numAttending: number;
  numHearingAidRequested: number;
  attending: Attendee[];
  participants: Participant[];
}

// Every operation on the meeting asks for the same, so that whichever answers last can replace what the others brought.
const SESSION = gql`
  fragment Session on MeetingSession {
    id
    version
    title
    address
    latitude
    longitude
    inSession
    seats
    numAttending
    numHearingAidRequested
    attending {
      name
      organization
      hearingAidRequested
    }
    participants {
      userId
      name
      organization
      hearingAidRequested
      role
      attending
    }
  }
`;

export const MEETING: TypedDocumentNode<{ meetingSession: MeetingSession | null }, { id: string }> = gql`
  query Meeting($id: ID!) {
    meetingSession(id: $id) {
      ...Session
    }
  }
  ${SESSION}
`;

export const MEETING_CHANGES: TypedDocumentNode<{ meetingSession: MeetingSession | null }, { id: string }> = gql`
  subscription MeetingChanges($id: ID!) {
    meetingSession(id: $id) {
      ...Session
    }
  }
  ${SESSION}
`;

export const SET_ATTENDANCE: TypedDocumentNode<
  { setAttendance: MeetingSession },
  { meetingId: string; userId: string; attending: boolean }
> = gql`
  mutation SetAttendance($meetingId: ID!, $userId: ID!, $attending: Boolean!) {
    setAttendance(meetingId: $meetingId, userId: $userId, attending: $attending) {
      ...Session
    }
  }
  ${SESSION}
`;

export interface Registration {
  firstName: string;
  lastName: string;
  organization: string;
  hearingAidRequested: boolean;
}

export const REGISTER: TypedDocumentNode<{ register: MeetingSession }, Registration & { meetingId: string }> = gql`
  mutation Register(
    $meetingId: ID!
    $firstName: String!
    $lastName: String!
    $organization: String!
    $hearingAidRequested: Boolean!
  ) {
    register(
      meetingId: $meetingId
      firstName: $firstName
      lastName: $lastName
      organization: $organization
      hearingAidRequested: $hearingAidRequested
    ) {
      ...Session
    }
  }
  ${SESSION}
`;

export const OPEN: TypedDocumentNode<{ meetingOpen: MeetingSession }, { id: string }> = gql`
  mutation Open($id: ID!) {
    meetingOpen(id: $id) {
      ...Session
    }
  }
  ${SESSION}
`;

export const CLOSE: TypedDocumentNode<{ meetingClose: MeetingSession }, { id: string }> = gql`
  mutation Close($id: ID!) {
    meetingClose(id: $id) {
      ...Session
    }
  }
  ${SESSION}
`;

/** A meeting in a list, with the link to who leads it. */
export interface Summary {
  __typename: "MeetingSession";
  id: string;
  version: string;
  title: string;
  address: string;
  inSession: boolean;
  seats: number | null;
  numAttending: number;
  host: { __typename: "UserView"; id: string; version: string; name: string } | null;
}

export const SUMMARY: TypedDocumentNode<Summary> = gql`
  fragment Summary on MeetingSession {
    id
    version
    title
    address
    inSession
    seats
    numAttending
    host {
      id
      version
      name
    }
  }
`;

export interface Connection {
  edges: { node: Summary }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

export interface SessionFilter {
  inSession?: { eq: boolean };
  title?: { gte: string; lt: string };
}

export const MEETINGS: TypedDocumentNode<
  { meetingSessions: Connection },
  { filter: SessionFilter; first: number; after?: string | null }
> = gql`
  query Meetings($filter: MeetingSessionFilter, $first: Int!, $after: String) {
    meetingSessions(filter: $filter, orderBy: [{ field: TITLE }], first: $first, after: $after) {
      edges {
        node {
          ...Summary
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
  ${SUMMARY}
`;

/** One event of a live list. */
export interface SessionChange {
  kind: "CURRENT" | "ADDED" | "MODIFIED" | "MOVED" | "REMOVED";
  id: string | null;
  previous: string | null;
  node: Summary | null;
  page: { edges: { node: Summary }[] } | null;
}

export const IN_SESSION: TypedDocumentNode<{ meetingSessions: SessionChange }, { first: number }> = gql`
  subscription InSession($first: Int!) {
    meetingSessions(
      filter: { inSession: { eq: true } }
      orderBy: [{ field: NUM_ATTENDING, direction: DESC }, { field: TITLE }]
      first: $first
    ) {
      kind
      id
      previous
      node {
        ...Summary
      }
      page {
        edges {
          node {
            ...Summary
          }
        }
      }
    }
  }
  ${SUMMARY}
`;

/** Somebody, with links to the meetings that they are registered for. */
export interface Person {
  __typename: "UserView";
  id: string;
  version: string;
  name: string;
  organization: string;
  hearingAidRequested: boolean;
  meetings: { __typename: "MeetingSession"; id: string; version: string; title: string; inSession: boolean }[];
}

export const PERSON: TypedDocumentNode<{ userView: Person | null }, { id: string }> = gql`
  subscription Person($id: ID!) {
    userView(id: $id) {
      id
      version
      name
      organization
      hearingAidRequested
      meetings {
        id
        version
        title
        inSession
      }
    }
  }
`;
