import { describe, expect, test } from "bun:test";
import { OK } from "#alert/level.ts";
import type { App } from "#http/app.ts";
import { event, quiet, spec } from "../alert/support.ts";
import { alertWorld } from "./alert-world.ts";

const TOPICS = "/kapacitor/v1/alerts/topics";

async function get(app: App, path: string) {
  const response = await app.handle(new Request(`http://localhost${TOPICS}${path}`));
  return { status: response.status, json: JSON.parse(await response.text()) };
}

describe("trace", () => {
  test("shows evaluations newest first, with every step", async () => {
    const { app, fake, alerts } = alertWorld();
    const { service, clock } = alerts;
    service.set(spec({ id: "no", match: "level() == OK" }));
    service.set(spec({ id: "yes" }));
    fake.answer = async () => ({ kind: "rejected", error: "bad request" });
    service.publish(event(), "cluster");
    await quiet();
    clock.advance(1000);
    service.publish(event({ level: OK, time: { ms: 2_000_000, ns: 5 } }), "cluster");
    const path = "/t/events/cpu:host%3Dh1/trace";
    const { status, json } = await get(app, path);
    expect(status).toBe(200);
    expect(json).toMatchObject({ topic: "t", id: "cpu:host=h1" });
    expect(json.link.href).toBe(TOPICS + path);
    const [second, first] = json.evaluations;
    expect(first).toEqual({
      ...{ time: "1970-01-01T00:16:40Z", level: "CRITICAL", previousLevel: "OK" },
      steps: [
        {
          ...{ stage: "match", handler: "no", verdict: "stopped" },
          ...{ reason: "the match expression is false", at: "2020-09-13T12:26:40Z" },
        },
        {
          ...{ stage: "own", handler: "yes", verdict: "passed" },
          ...{ reason: "wanted", at: "2020-09-13T12:26:40Z" },
        },
        {
          ...{ stage: "send", handler: "yes", verdict: "failed" },
          ...{ reason: "failed: bad request", at: "2020-09-13T12:26:40Z" },
        },
      ],
    });
    expect(second).toMatchObject({ time: "1970-01-01T00:33:20.000000005Z", level: "OK" });
  });

  test.each([
    ["/t/events/cpu/trace", 404, 'unknown event "cpu" in topic "t"'],
    ["/t/events/cpu/other", 404, 'unknown event "cpu/other" in topic "t"'],
    ["/t/events/a%2Fb/trace", 404, 'unknown event "a/b" in topic "t"'],
    ["/t/handlers/h/queue", 404, 'unknown handler: "h"'],
  ])("%s", async (path, status, error) => {
    const answer = await get(alertWorld().app, path);
    expect([answer.status, answer.json.error]).toEqual([status, error]);
  });

  test("a state without a trace, as after a restart, is an empty list", async () => {
    const { app, alerts } = alertWorld();
    alerts.service.accept(event());
    expect((await get(app, "/t/events/cpu:host=h1/trace")).json.evaluations.length).toBe(1);
    expect((await get(app, "/t/events/cpu:host=h1")).json.state.level).toBe("CRITICAL");
  });
});

test("queue shows counters, what waits, and the last error", async () => {
  const { app, fake, alerts } = alertWorld();
  const { service } = alerts;
  service.set(spec({ match: "level() != OK" }));
  fake.answer = async ({ event: { id } }) =>
    id === "bad" ? { kind: "retry", error: "connection refused" } : { kind: "sent" };
  for (const id of ["good", "bad", "better"]) service.publish(event({ id }), "cluster");
  service.publish(event({ id: "fine", level: OK }), "cluster");
  await quiet();
  expect(await get(app, "/t/handlers/h1/queue")).toEqual({
    status: 200,
    json: {
      link: { rel: "self", href: `${TOPICS}/t/handlers/h1/queue` },
      ...{ topic: "t", handler: "h1", kind: "fake" },
      ...{ sent: 2, failed: 0, retried: 1, superseded: 0, expired: 0, dropped: 0 },
      ...{ waiting: 1, inFlight: 0 },
      stopped: { matchFalse: 1, matchError: 0, silenced: 0 },
      ...{ lastError: "connection refused", broken: "" },
    },
  });
});
