import { describe, expect, test } from "bun:test";
import type { App } from "#http/app.ts";
import { createApp } from "#http/app.ts";
import { alertWorld } from "./alert-world.ts";
import { fakeServices } from "./fake-services.ts";

const ROOT = "/kapacitor/v1/alerts/silences";
const NOW = "2020-09-13T12:26:40Z";

async function ask(app: App, method: string, path: string, body?: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await app.handle(
    new Request(`http://localhost${path}`, {
      method,
      ...(body === undefined ? {} : { body: text }),
    }),
  );
  const said = await response.text();
  return { status: response.status, json: said === "" ? undefined : JSON.parse(said) };
}

const BODY = {
  matchers: [{ name: "tag:host", value: "db.*", isRegex: true }],
  ends: "2020-09-13T13:26:40Z",
  author: "bob",
  comment: "works",
};

describe("silences through the API", () => {
  test("are made, shown, listed by status, and expired", async () => {
    const { app, alerts } = alertWorld();
    const made = await ask(app, "POST", ROOT, BODY);
    const { id } = made.json;
    expect(made).toEqual({
      status: 200,
      json: {
        link: { rel: "self", href: `${ROOT}/${id}` },
        ...{ id, status: "active" },
        matchers: [{ name: "tag:host", value: "db.*", isRegex: true, isEqual: true }],
        ...{ starts: NOW, ends: BODY.ends, author: "bob", comment: "works" },
      },
    });
    expect((await ask(app, "GET", `${ROOT}/${id}`)).json).toEqual(made.json);
    const later = { ...BODY, starts: "2020-09-13T13:00:00Z", ends: undefined, duration: "1h30m" };
    const pending = (await ask(app, "POST", ROOT, later)).json;
    expect(pending).toMatchObject({ status: "pending", ends: "2020-09-13T14:30:00Z" });
    alerts.clock.advance(1000);
    expect((await ask(app, "DELETE", `${ROOT}/${id}`)).status).toBe(204);
    expect((await ask(app, "DELETE", `${ROOT}/${id}`)).status).toBe(204);
    const listed = async (status: string) => {
      const { json } = await ask(app, "GET", `${ROOT}?status=${status}`);
      return json.silences.map((one: { id: string }) => one.id);
    };
    expect(await listed("")).toEqual([id, pending.id]);
    expect(await listed("expired")).toEqual([id]);
    expect(await listed("active")).toEqual([]);
    expect(await listed("pending")).toEqual([pending.id]);
    expect((await ask(app, "GET", `${ROOT}/${id}`)).json.ends).toBe("2020-09-13T12:26:41Z");
  });

  test.each([
    ["", "invalid silence json: EOF"],
    ["{", "invalid silence json: unexpected EOF"],
    [[], "invalid silence json: body is missing or has the wrong type"],
    [{}, "invalid silence json: matchers is missing or has the wrong type"],
    [{ ...BODY, matchers: [{ name: 5, value: "" }] }, "invalid silence json: matchers/0/name is"],
    [{ ...BODY, ends: undefined }, "invalid silence: give either ends or duration"],
    [{ ...BODY, duration: "1h" }, "invalid silence: give either ends or duration"],
    [{ ...BODY, ends: "noon" }, 'invalid silence: ends "noon" is no time'],
    [{ ...BODY, starts: "x" }, 'invalid silence: starts "x" is no time'],
    [{ ...BODY, ends: null, duration: "long" }, 'invalid silence: duration "long" is none'],
    [{ ...BODY, ends: "2019-01-01T00:00:00Z" }, "invalid silence: a silence must end after"],
    [{ ...BODY, matchers: [] }, "invalid silence: a silence needs at least one matcher"],
    [{ ...BODY, author: "" }, "invalid silence: a silence needs an author"],
  ])("%j is refused", async (body, error) => {
    const { status, json } = await ask(alertWorld().app, "POST", ROOT, body);
    expect(status).toBe(400);
    expect(json.error).toStartWith(error);
  });

  test("unknown ones", async () => {
    const { app } = alertWorld();
    expect((await ask(app, "GET", `${ROOT}/x`)).json.error).toBe('unknown silence: "x"');
    expect((await ask(app, "DELETE", `${ROOT}/x`)).status).toBe(404);
    expect((await ask(app, "GET", `${ROOT}?status=odd`)).json.error).toBe(
      'invalid status parameter "odd"',
    );
  });
});

test.each([
  [ROOT, "silences are not available yet"],
  ["/kapacitor/v1/alerts/topics/t/handlers/h/queue", "delivery reports are not available yet"],
  ["/kapacitor/v1/alerts/topics/t/events/e/trace", "delivery reports are not available yet"],
])("%s without these parts", async (path, error) => {
  const { status, json } = await ask(createApp(fakeServices()), "GET", path);
  expect([status, json.error]).toEqual([501, error]);
});
