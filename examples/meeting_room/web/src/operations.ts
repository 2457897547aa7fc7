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
  numHearingAidRequested: number;
  attending: Attendee[];
  participants: Participant[];
}

// Every operation asks for the same, so that whichever answers last can replace what the others brought.
const SESSION = gql`
  fragment Session on MeetingSession {
    id
    version
    title
    address
    latitude
    longitude
    inSession
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
