/** Clients that never finish sending or never read: others go on, and what is held stays bounded. */

import { afterEach, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { createApp } from "#http/app.ts";
import { readBody, releaseBody } from "#http/body.ts";
import { BodyBudget } from "#http/body-budget.ts";
import {
  WHOLE_BODIES_BYTES_MAX,
  WHOLE_BODY_BYTES_MAX,
  WRITES_IN_FLIGHT_MAX,
} from "#http/limits.ts";
import { type Listening, listen } from "#http/server.ts";
import { fakeServices } from "./fake-services.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function open(services = fakeServices()): Listening {
  const server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
  undo.push(() => server.close(0, () => Promise.resolve()));
  return server;
}

/** A connection that has sent these bytes. */
function dial(port: number, bytes: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, () => resolve(socket)));
    socket.on("error", reject);
    undo.push(() => socket.destroy());
  });
}

const write = (port: number): Promise<Response> =>
  fetch(`http://127.0.0.1:${port}/write?db=d`, { method: "POST", body: "cpu u=1" });

test("more senders that stall than writes are taken at once do not keep a write out", async () => {
  const { port } = open();
  const head = "POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\ncpu u=1";
  for (let i = 0; i <= WRITES_IN_FLIGHT_MAX; i++) await dial(port, head);
  expect((await write(port)).status).toBe(204);
});

test("a sender that goes on after others were served gets its own answer", async () => {
  const { port } = open();
  const head =
    "POST /write?db=d HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7\r\n\r\n";
  const slow = await dial(port, head);
  expect((await write(port)).status).toBe(204);
  const answer = new Promise<string>((resolve) => slow.once("data", (data) => resolve(`${data}`)));
  slow.write("cpu u=2");
  expect(await answer).toStartWith("HTTP/1.1 204 ");
});

test("clients that ask much and never read do not hold others", async () => {
  const { port } = open();
  const ask = "GET /kapacitor/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
  for (let i = 0; i < 4; i++) (await dial(port, ask)).pause();
  expect((await write(port)).status).toBe(204);
  const tasks = await fetch(`http://127.0.0.1:${port}/kapacitor/v1/tasks`);
  expect(tasks.status).toBe(200);
});

test("a sender that goes away in the middle of its body is not a failure of the server", async () => {
  const services = fakeServices();
  const { port } = open(services);
  const head = "POST /write?db=d HTTP/1.1\r\nHost: x\r\n";
  for (const body of [
    "Content-Length: 1000000\r\n\r\ncpu",
    "Transfer-Encoding: chunked\r\n\r\n3\r\ncpu\r\n",
  ])
    (await dial(port, head + body)).destroy();
  expect((await write(port)).status).toBe(204);
  expect(services.logged.filter(({ level }) => level === "error")).toEqual([]);
});

/** A request whose body is given part by part. */
function partwise() {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
  });
  return {
    request: new Request("http://x/write", { method: "POST", body }),
    part: (bytes: number) => controller?.enqueue(new Uint8Array(bytes)),
    end: () => controller?.close(),
  };
}

test("of bodies that together are too large the one that stalled longest is given up", async () => {
  const budget = new BodyBudget(100);
  const [stalled, silent, going] = [partwise(), partwise(), partwise()];
  const reads = [stalled, silent, going].map(({ request }) => readBody(request, 1000, budget));
  const refused = reads[0]?.catch((error: unknown) => error);
  stalled.part(40);
  await Bun.sleep(0);
  going.part(40);
  await Bun.sleep(0);
  going.part(20);
  await Bun.sleep(0);
  expect(budget.givenUp).toBe(0);
  going.part(1);
  expect(await refused).toMatchObject({ status: 503 });
  expect(budget.givenUp).toBe(1);
  going.end();
  expect((await reads[2])?.length).toBe(61);
  silent.part(100);
  silent.end();
  expect((await reads[1])?.length).toBe(100);
});

test("a body larger than the whole budget is given up itself", async () => {
  const large = partwise();
  const read = readBody(large.request, 1000, new BodyBudget(100));
  const refused = read.catch((error: unknown) => error);
  large.part(101);
  expect(await refused).toMatchObject({ status: 503 });
});

test("over sockets: one write more than are processed at once is refused in the API's shape", async () => {
  const fakes = fakeServices();
  let held = 0;
  let full = (): void => {};
  const reached = new Promise<void>((resolve) => {
    full = resolve;
  });
  const engine = Object.assign(Object.create(fakes.engine), {
    write: () => {
      if (++held === WRITES_IN_FLIGHT_MAX) full();
      return new Promise<never>(() => {});
    },
  });
  const { port } = open({ ...fakes, engine });
  const head = "POST /write?db=d HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n\r\ncpu u=1";
  for (let i = 0; i < WRITES_IN_FLIGHT_MAX; i++) await dial(port, head);
  await reached;
  const refused = await write(port);
  expect(refused.status).toBe(503);
  expect(refused.headers.get("Retry-After")).toBe("1");
  expect(await refused.text()).toBe(
    `too many writes at once, at most ${WRITES_IN_FLIGHT_MAX} are taken\n`,
  );
  expect((await fetch(`http://127.0.0.1:${port}/kapacitor/v1/ping`)).status).toBe(204);
});

test("a body that announces its length is received whole, and part by part when many are on their way", async () => {
  const size = WHOLE_BODY_BYTES_MAX;
  const budget = new BodyBudget(4 * size);
  let opened = 0;
  const counted = Object.assign(Object.create(budget), {
    open: (giveUp: () => void) => {
      opened++;
      return BodyBudget.prototype.open.call(budget, giveUp);
    },
  });
  const start = (announced: number) => {
    const { request, part, end } = partwise();
    request.headers.set("content-length", String(announced));
    return { read: readBody(request, 2 * size, counted), part, end };
  };
  const places = WHOLE_BODIES_BYTES_MAX / size;
  const whole = Array.from({ length: places }, () => start(size));
  expect(opened).toBe(0);
  const more = start(size);
  const larger = start(size + 1);
  expect(opened).toBe(2);
  for (const { part, end } of [...whole, more, larger]) {
    part(7);
    end();
  }
  const bodies = await Promise.all([...whole, more, larger].map(({ read }) => read));
  expect(bodies.map(({ length }) => length)).toEqual(bodies.map(() => 7));
  const later = start(size);
  expect(opened).toBe(2);
  later.end();
  await later.read;
});

test("a body that was given back is empty; a part of a larger buffer is left alone", () => {
  const own = new Uint8Array(10);
  const part = new Uint8Array(10).subarray(0, 5);
  releaseBody(own);
  releaseBody(part);
  expect([own.length, part.length]).toEqual([0, 5]);
});
