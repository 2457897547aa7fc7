// What goes over a page's WebSockets, as the browser itself sees it.
/** Keeps every frame of graphql-transport-ws, socket by socket. */
export class Frames {
  sockets = [];

  static async of(window) {
    const frames = new Frames();
    const session = await window.context.newCDPSession(window.page);
    const bySocket = new Map();
    const add = (direction) => (event) => {
      const message = JSON.parse(event.response.payloadData);
      bySocket.get(event.requestId)?.push({ direction, ...message });
    };
    session.on("Network.webSocketCreated", ({ requestId }) => {
      const socket = [];
      bySocket.set(requestId, socket);
      frames.sockets.push(socket);
    });
    session.on("Network.webSocketFrameSent", add("sent"));
    session.on("Network.webSocketFrameReceived", add("received"));
    await session.send("Network.enable");
    return frames;
  }

  /** The last socket that was opened to the end: its operations by their names, each with the request and the results it got. */
  operations() {
    const socket = this.sockets.findLast((messages) => messages.some(({ type }) => type === "connection_ack"));
    const operations = {};
    for (const { direction, type, id, payload } of socket ?? []) {
      if (direction !== "sent" || type !== "subscribe") continue;
      const results = socket.filter((message) => message.id === id && message.type === "next").map((message) => message.payload);
      operations[payload.operationName] = { request: payload, results };
    }
    return operations;
  }
}
