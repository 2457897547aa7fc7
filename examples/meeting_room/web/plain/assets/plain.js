// The meeting, live, over the graphql-transport-ws protocol with nothing but what a browser brings:
// https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md

const meetingId = new URLSearchParams(location.search).get("meeting") ?? "meeting_1";
const LONGEST_WAIT = 4_000;

const SUBSCRIPTION = `subscription ($id: ID!) {
  meetingSession(id: $id) {
    title address inSession numHearingAidRequested
    participants { userId name organization hearingAidRequested attending }
  }
}`;
const SET_ATTENDANCE = `mutation ($meetingId: ID!, $userId: ID!, $attending: Boolean!) {
  setAttendance(meetingId: $meetingId, userId: $userId, attending: $attending) { id }
}`;

const at = (id) => document.getElementById(id);

function show(session) {
  if (session === null) {
    at("title").textContent = `There is no meeting ${meetingId} yet`;
    at("people").replaceChildren();
    return;
  }
  const here = session.participants.filter((person) => person.attending);
  document.title = `(${here.length}) ${session.title}`;
  at("status").textContent = session.inSession ? "In session" : "Not in session";
  at("title").textContent = session.title;
  at("address").textContent = session.address;
  at("here").textContent = `${here.length} of ${session.participants.length}`;
  at("hearing-aids").textContent = String(session.numHearingAidRequested);
  showPeople(session.participants);
}

const rows = new Map();

function showPeople(participants) {
  const ids = new Set(participants.map((person) => person.userId));
  for (const [id, row] of rows) {
    if (ids.has(id)) continue;
    row.item.remove();
    rows.delete(id);
  }
  participants.forEach((person, index) => {
    const row = rows.get(person.userId) ?? newRow(person.userId);
    row.box.checked = person.attending;
    row.name.textContent = person.name;
    row.about.textContent = person.organization + (person.hearingAidRequested ? " · hearing aid" : "");
    // Moved only where it is elsewhere: a row that moves loses the keyboard focus.
    const people = at("people");
    if (people.children[index] !== row.item) people.insertBefore(row.item, people.children[index] ?? null);
  });
}

function newRow(userId) {
  const [item, label, box, name, about] = ["li", "label", "input", "span", "small"].map((tag) => document.createElement(tag));
  box.type = "checkbox";
  box.addEventListener("change", () => setAttendance(userId, box));
  label.append(box, name, about);
  item.append(label);
  const row = { item, box, name, about };
  rows.set(userId, row);
  return row;
}

async function setAttendance(userId, box) {
  const attending = box.checked;
  at("problem").textContent = "";
  try {
    const response = await fetch("/graphql", {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json" },
      body: JSON.stringify({ query: SET_ATTENDANCE, variables: { meetingId, userId, attending } }),
    });
    const { errors } = await response.json();
    if (errors) throw new Error(errors.map((error) => error.message).join(" "));
  } catch (error) {
    box.checked = !attending;
    at("problem").textContent = `Nothing was changed: ${error.message}`;
  }
}

let retries = 0;

function connect() {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/graphql`, "graphql-transport-ws");
  const send = (message) => socket.send(JSON.stringify(message));
  socket.onopen = () => send({ type: "connection_init" });
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    switch (message.type) {
      case "connection_ack":
        retries = 0;
        at("connection").textContent = "Live";
        send({ type: "subscribe", id: "1", payload: { query: SUBSCRIPTION, variables: { id: meetingId } } });
        break;
      case "ping":
        send({ type: "pong" });
        break;
      case "next":
        if (message.payload.errors) at("problem").textContent = message.payload.errors[0].message;
        else show(message.payload.data.meetingSession);
        break;
      case "error":
        at("problem").textContent = message.payload[0].message;
        socket.close(1000);
        break;
      case "complete":
        socket.close(1000);
        break;
    }
  };
  socket.onclose = () => {
    at("connection").textContent = "Reconnecting…";
    const longest = Math.min(LONGEST_WAIT, 250 * 2 ** retries++);
    setTimeout(connect, longest * (0.5 + Math.random() / 2));
  };
}

connect();
