// What the tests of the clients ask for, and how they look at what they get.
export const MEETING = "meeting_1";

export const SESSION = `
  fragment Session on MeetingSession {
    id
    version
    title
    inSession
    numHearingAidRequested
    attending { name organization hearingAidRequested }
  }
`;
export const QUERY = `query Meeting($id: ID!) { meetingSession(id: $id) { ...Session } } ${SESSION}`;
export const CHANGES = `subscription MeetingChanges($id: ID!) { meetingSession(id: $id) { ...Session } } ${SESSION}`;
export const SET_ATTENDANCE = `
  mutation SetAttendance($userId: ID!, $attending: Boolean!) {
    setAttendance(meetingId: "meeting_1", userId: $userId, attending: $attending) { ...Session }
  }
  ${SESSION}
`;
export const OPEN = `mutation Open { meetingOpen(id: "meeting_1") { ...Session } } ${SESSION}`;

export const isHere = (name) => (session) => session.attending.some((attendee) => attendee.name === name);
export const isAway = (name) => (session) => !isHere(name)(session);
