/** Requests never reach a blocked address: not by name, not in another spelling, not through a redirect. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { isBlocked, parseCidrs } from "#daemon/cidrs.ts";
import { HttpReceiver, open, send, services, TcpReceiver } from "./support.ts";

let receiver: HttpReceiver;
beforeAll(() => {
  receiver = new HttpReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = () => new Response("");
});

function guarded(cidrs: string) {
  const list = parseCidrs(cidrs);
  return { ...services(), isBlocked: (address: string) => isBlocked(list, address) };
}

const post = (url: string, cidrs: string, headers = {}) =>
  send(open("post", { url, headers }, guarded(cidrs)));

describe("a blocked address is refused for good", () => {
  test.each([
    ["127.0.0.1", "127.0.0.0/8", "127.0.0.1"],
    ["127.0.0.1", "private", "127.0.0.1"],
    ["localhost", "127.0.0.0/8,::1/128", ""],
    ["0x7f.1", "127.0.0.0/8", "127.0.0.1"],
    ["2130706433", "127.0.0.0/8", "127.0.0.1"],
    ["[::ffff:127.0.0.1]", "127.0.0.0/8", "127.0.0.1"],
    ["[::1]", "::1/128", "::1"],
  ])("%s in %s", async (host, cidrs, address) => {
    const { port } = new URL(receiver.url);
    const outcome = await post(`http://${host}:${port}/x`, cidrs);
    expect(outcome.kind).toBe("rejected");
    const error = outcome.kind === "sent" ? "" : outcome.error;
    expect(error).toMatch(/^post: address .* is blocked$/);
    expect(error).toContain(address);
    expect(receiver.received).toEqual([]);
  });

  test("also over TLS and over plain TCP", async () => {
    const tcp = new TcpReceiver();
    try {
      expect((await post("https://127.0.0.1:1/x", "private")).kind).toBe("rejected");
      const handler = open("tcp", { address: tcp.address }, guarded("private"));
      const error = `${tcp.address}: address 127.0.0.1 is blocked`;
      expect(await send(handler)).toEqual({ kind: "rejected", error });
      expect((await send(open("tcp", { address: tcp.address }, guarded("10.0.0.0/8")))).kind).toBe(
        "sent",
      );
    } finally {
      tcp.close();
    }
  });
});

describe("others are reached", () => {
  test("with the name in the request", async () => {
    const { port } = new URL(receiver.url);
    const outcome = await post(`http://localhost:${port}/a?b=c`, "10.0.0.0/8");
    expect(outcome).toEqual({ kind: "sent" });
    const [received] = receiver.received;
    expect(received?.path).toBe("/a?b=c");
    expect(received?.headers["host"]).toBe(`localhost:${port}`);
  });

  test("a name that does not exist may exist later", async () => {
    const outcome = await post("http://no-such-host.invalid/", "10.0.0.0/8");
    expect(outcome).toEqual({ kind: "retry", error: "post: unknown host" });
  });
});

describe("redirects", () => {
  const to = (location: string, status: number) =>
    new Response(null, { status, headers: { Location: location } });

  test.each([
    [301, "GET", ""],
    [303, "GET", ""],
    [307, "POST", "event"],
    [308, "POST", "event"],
  ])("%d is followed with %s", async (status, method, body) => {
    receiver.answer = ({ path }) => (path === "/a" ? to("/b", status) : new Response("ok"));
    expect(await post(`${receiver.url}/a`, "10.0.0.0/8", { Authorization: "tok en1" })).toEqual({
      kind: "sent",
    });
    const last = receiver.received[1];
    expect([last?.method, last?.path]).toEqual([method, "/b"]);
    expect(last?.headers["authorization"]).toBe("tok en1");
    expect(last?.body.length === 0).toBe(body === "");
  });

  test("to a blocked address end there", async () => {
    receiver.answer = () => to("http://10.1.2.3/secret", 307);
    const outcome = await post(`${receiver.url}/a`, "10.0.0.0/8");
    expect(outcome).toEqual({ kind: "rejected", error: "post: address 10.1.2.3 is blocked" });
  });

  test("to another origin carry no credentials", async () => {
    const other = new HttpReceiver();
    try {
      receiver.answer = () => to(`${other.url}/b`, 307);
      const outcome = await post(`${receiver.url}/a`, "10.0.0.0/8", { Authorization: "token123" });
      expect(outcome.kind).toBe("sent");
      expect(other.received[0]?.headers["authorization"]).toBeUndefined();
      expect(other.received[0]?.method).toBe("POST");
    } finally {
      other.close();
    }
  });

  test("without end are given up", async () => {
    receiver.answer = () => to("/a", 307);
    const outcome = await post(`${receiver.url}/a`, "10.0.0.0/8");
    expect(outcome).toEqual({ kind: "retry", error: "post: more than 10 redirects" });
    expect(receiver.received.length).toBe(11);
  });
});
