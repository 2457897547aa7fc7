// The peers' data, from the file that benchmarks.prepared writes: prepared objects, lists by region, links to the objects themselves.
import { readFileSync } from 'node:fs';

const data = JSON.parse(readFileSync(process.env.BENCH_DATA, 'utf8'));
const meetings = new Map(data.meetings.map((meeting) => [meeting.id, meeting]));
const persons = new Map(
  data.persons.map((person) => [person.id, { ...person, meetings: person.meetings.map((id) => meetings.get(id)) }]),
);
const regions = new Map();
for (const meeting of meetings.values()) {
  regions.set(meeting.region, [...(regions.get(meeting.region) ?? []), meeting]);
}
const registered = new Map([...meetings.values()].map((meeting) => [meeting.id, meeting.attending]));
const away = new Map([...meetings.keys()].map((id) => [id, new Set()]));

function page({ filter, first }) {
  const found = regions.get(filter.region.eq);
  const edges = found.slice(0, first).map((node) => ({ cursor: node.cursor, node }));
  return {
    edges,
    pageInfo: {
      hasNextPage: found.length > edges.length,
      hasPreviousPage: false,
      startCursor: edges[0].cursor,
      endCursor: edges.at(-1).cursor,
    },
  };
}

function setAttendance({ ticketId, attending }) {
  const id = ticketId.split('-')[0];
  const meeting = meetings.get(id);
  if (attending) away.get(id).delete(ticketId);
  else away.get(id).add(ticketId);
  meeting.attending = registered.get(id).filter((_, place) => !away.get(id).has(meeting.tickets[place]));
  meeting.numAttending = meeting.attending.length;
  meeting.numHearingAidRequested = meeting.attending.filter((attendee) => attendee.hearingAidRequested).length;
  return meeting;
}

export const typeDefs = readFileSync(new URL('../peers/schema.graphql', import.meta.url), 'utf8');

export const resolvers = {
  Query: {
    meetingSession: (_, { id }) => meetings.get(id) ?? null,
    meetingSessions: (_, given) => page(given),
    personAgenda: (_, { id }) => persons.get(id) ?? null,
  },
  Mutation: { setAttendance: (_, given) => setAttendance(given) },
};
