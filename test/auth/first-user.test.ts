/** From nobody to the first administrator: what is open, and that it closes. Also the ways to say who one is. */

import { expect, test } from "bun:test";
import { UserService } from "#auth/user-service.ts";
import { createApp } from "#http/app.ts";
import { fakeServices } from "#test/http/fake-services.ts";

const USERS = "/kapacitor/v1/users";

function world() {
  const fakes = fakeServices({ authEnabled: true });
  const app = createApp({ ...fakes, users: new UserService(fakes, 4) });
  return async (method: string, path: string, given: { user?: string; body?: object } = {}) => {
    const { user, body } = given;
    const response = await app.handle(
      new Request(`http://localhost${path}`, {
        method,
        headers: user === undefined ? {} : { Authorization: `Basic ${btoa(user)}` },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
    const text = await response.text();
    return [response.status, text.startsWith("{") ? JSON.parse(text).error : text];
  };
}

const ROOT = { name: "root", password: "secret", type: "admin" };

test("with no administrator, only creating a user needs no credentials", async () => {
  const ask = world();
  const closed = [401, "unable to parse authentication credentials"];
  expect(await ask("GET", USERS)).toEqual(closed);
  expect(await ask("GET", "/kapacitor/v1/tasks")).toEqual(closed);
  expect(await ask("POST", "/write?db=d", { body: {} })).toEqual(closed);
  expect(await ask("POST", `${USERS}/x`)).toEqual(closed);
  expect(await ask("GET", "/kapacitor/v1/tasks", { user: "a:b" })).toEqual([
    401,
    "authorization failed",
  ]);
  expect(await ask("POST", USERS, { body: ROOT })).toEqual([200, undefined]);
  expect(await ask("POST", USERS, { body: { ...ROOT, name: "evil" } })).toEqual(closed);
  expect((await ask("GET", "/kapacitor/v1/tasks", { user: "root:secret" }))[0]).toBe(200);
  expect(await ask("DELETE", `${USERS}/root`, { user: "root:secret" })).toEqual([
    400,
    "the last admin cannot be deleted",
  ]);
});

test("credentials in the query count, when both are there", async () => {
  const ask = world();
  await ask("POST", USERS, { body: ROOT });
  expect((await ask("GET", "/kapacitor/v1/tasks?u=root&p=secret"))[0]).toBe(200);
  expect((await ask("GET", "/kapacitor/v1/tasks?u=root&p=wrong"))[1]).toBe("authorization failed");
  expect((await ask("GET", "/kapacitor/v1/tasks?u=root"))[1]).toBe(
    "unable to parse authentication credentials",
  );
});

test("a user store whose passwords cannot all be checked says so with 503", async () => {
  const ask = world();
  await ask("POST", USERS, { body: ROOT });
  const guesses = Array.from({ length: 65 }, (_, i) =>
    ask("GET", "/kapacitor/v1/ping", { user: `root:guess${i}` }),
  );
  const outcomes = await Promise.all(guesses);
  expect(outcomes.filter(([status]) => status === 401).length).toBe(64);
  expect(outcomes.filter(([status]) => status === 503)).toEqual([
    [503, "too many passwords are being verified, try again later"],
  ]);
});

test("without a user store everybody who names himself is let in", async () => {
  const app = createApp(fakeServices({ authEnabled: true }));
  const status = async (authorization: string) => {
    const headers = { Authorization: authorization };
    return (await app.handle(new Request(`http://localhost${USERS}x`, { headers }))).status;
  };
  for (const user of ["a:b", "~subscriber:anything"])
    expect(await status(`Basic ${btoa(user)}`)).toBe(404);
  expect(await status("Token x")).toBe(401);
  expect(await status("Bearer a b")).toBe(401);
});
