import { expect, test } from "bun:test";
import { connect } from "node:net";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { fakeServices } from "./fake-services.ts";

const never = (): Promise<void> => new Promise(() => {});

/** Sends bytes as they are and gives everything that comes back until the server closes. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes));
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("close", () => resolve(answer));
    socket.on("error", reject);
  });
}

test("HTTP/1.1 over a socket: HEAD, dot segments, an absolute target, a verb outside the API", async () => {
  const server = listen(createApp(fakeServices()), { host: "127.0.0.1", port: 0 });
  const ask = (line: string) =>
    raw(server.port, `${line} HTTP/1.1\r\nHost: db\r\nConnection: close\r\n\r\n`);
  try {
    const head = await ask("HEAD /kapacitor/v1/ping");
    expect(head).toStartWith("HTTP/1.1 204 No Content\r\n");
    expect(head).toContain("X-Kapacitor-Version: 1.8.3\r\n");
    expect(await ask("GET /kapacitor/v1/x/../tasks")).toContain('"tasks": []');
    expect(await ask("GET http://other/kapacitor/v1/tasks")).toContain('"tasks": []');
    expect(await ask("GET /kapacitor/v1//tasks")).toContain("Location: /kapacitor/v1/tasks\r\n");
    expect(await ask("TRACE /kapacitor/v1/ping")).toStartWith("HTTP/1.1 404 Not Found\r\n");
  } finally {
    await server.close(0, () => Promise.resolve());
  }
});

test("a port that is taken is an error at once", async () => {
  const app = createApp(fakeServices());
  const server = listen(app, { host: "127.0.0.1", port: 0 });
  expect(() => listen(app, { host: "127.0.0.1", port: server.port })).toThrow();
  await server.close(0, () => Promise.resolve());
});

test("closing lets a running request finish", async () => {
  const fakes = fakeServices();
  let release = (): void => {};
  let arrived = (): void => {};
  const running = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const engine = Object.assign(Object.create(fakes.engine), {
    write: () => {
      arrived();
      return new Promise((resolve) => {
        release = () => resolve({ kind: "written", points: 1 });
      });
    },
  });
  const server = listen(createApp({ ...fakes, engine }), { host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}/write?db=d`;
  const answer = fetch(url, { method: "POST", body: "cpu u=1" });
  await running;
  const closed = server.close(1000, never);
  release();
  expect((await answer).status).toBe(204);
  await closed;
});

test("closing cuts a request that outlasts its grace", async () => {
  const fakes = fakeServices();
  let arrived = (): void => {};
  const running = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const engine = Object.assign(Object.create(fakes.engine), {
    write: () => {
      arrived();
      return never();
    },
  });
  const server = listen(createApp({ ...fakes, engine }), { host: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.port}/write?db=d`;
  const answer = fetch(url, { method: "POST", body: "cpu u=1" }).catch(() => "cut");
  await running;
  await server.close(0, () => Promise.resolve());
  expect(await answer).toBe("cut");
});
