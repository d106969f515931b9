import { beforeAll, describe, expect, test } from "bun:test";
import { SignJWT } from "jose";
import { PERMISSION_LENGTH_MAX, USER_PERMISSIONS_MAX } from "#auth/limits.ts";
import { PASSWORD_BYTES_MAX, PASSWORD_MEMORY_MS, UserService } from "#auth/user-service.ts";
import { type App, createApp } from "#http/app.ts";
import { TRACED_BYTES_MAX } from "#http/limits.ts";
import { fakeServices } from "./fake-services.ts";

const COST = 4;
const SECRET = "s3cret";

function world() {
  const fakes = fakeServices({ authEnabled: true, sharedSecret: SECRET });
  const users = new UserService(fakes, COST);
  return { users, clock: fakes.clock, app: createApp({ ...fakes, users }) };
}

async function ask(app: App, user: string, method: string, path: string, body?: unknown) {
  const response = await app.handle(
    new Request(`http://localhost${path}`, {
      method,
      headers: { Authorization: `Basic ${btoa(user)}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }),
  );
  const text = await response.text();
  return { status: response.status, json: text === "" ? undefined : JSON.parse(text) };
}

const USERS = "/kapacitor/v1/users";

describe("users through the API", () => {
  const { users, app } = world();
  const root = "root:secret";

  beforeAll(async () => {
    await users.create("root", { password: "secret", type: "admin" });
  });

  test("an administrator creates a user; the answer has no password", async () => {
    const body = { name: "bob", password: "p", type: "normal", permissions: ["api", "none"] };
    const made = await ask(app, root, "POST", USERS, body);
    expect(made).toEqual({
      status: 200,
      json: {
        link: { rel: "self", href: "/kapacitor/v1/users/bob" },
        name: "bob",
        type: "normal",
        permissions: ["api"],
      },
    });
  });

  test.each([
    [{}, "username is required"],
    [{ name: "x" }, "password is required"],
    [
      { name: "a b", password: "p" },
      `username must contain only letters, numbers, '-', '.', '@' and '_'. "a b"`,
    ],
    [{ name: "x", password: "p", permissions: ["fly"] }, "invalid permissions: fly"],
    [
      { name: "x", password: "p".repeat(PASSWORD_BYTES_MAX + 1) },
      "password must not exceed 72 bytes",
    ],
    [{ name: 5 }, "invalid JSON"],
    [{ name: "bob", password: "q" }, "user bob already exists"],
  ])("%j is refused", async (body, error) => {
    const answer = await ask(app, root, "POST", USERS, body);
    expect([answer.status, answer.json.error]).toEqual([400, error]);
  });

  test.each([
    ["bob:p", "GET", "/kapacitor/v1/tasks", 200],
    ["bob:p", "POST", "/write?db=d", 403],
    ["bob:p", "GET", "/kapacitor/v1/config", 403],
    ["bob:p", "GET", USERS, 200],
    ["bob:p", "POST", USERS, 403],
    ["bob:p", "PATCH", `${USERS}/bob`, 403],
    ["bob:wrong", "GET", "/kapacitor/v1/tasks", 401],
    ["nobody:p", "GET", "/kapacitor/v1/tasks", 401],
    ["~subscriber:t0ken", "POST", "/write?db=d", 204],
    ["~subscriber:t0ken", "GET", "/kapacitor/v1/tasks", 403],
    ["~subscriber:other", "POST", "/write?db=d", 401],
    ["root:secret", "GET", "/kapacitor/v1/config", 501],
  ])("%s: %s %s is %d", async (user, method, path, status) => {
    expect((await ask(app, user, method, path)).status).toBe(status);
  });

  test.each([
    ["bob:p", 403, "forbidden"],
    ["bob:wrong", 401, "unauthorized"],
    ["bob", 401, "unauthorized"],
    ["root:secret", 204, undefined],
  ])("the 2.x write API takes users as tokens: %s is %d", async (token, status, code) => {
    const response = await app.handle(
      new Request("http://localhost/api/v2/write?bucket=d", {
        method: "POST",
        headers: { Authorization: `Token ${token}` },
        body: "cpu usage=1",
      }),
    );
    const text = await response.text();
    expect([response.status, text === "" ? undefined : JSON.parse(text).code]).toEqual([
      status,
      code,
    ]);
  });

  test("tokens of that form are taken there only", async () => {
    const request = new Request("http://localhost/write?db=d", {
      method: "POST",
      headers: { Authorization: "Token root:secret" },
    });
    expect((await app.handle(request)).status).toBe(401);
  });

  test("the refusal names user, privilege and endpoint", async () => {
    const { json } = await ask(app, "~subscriber:t0ken", "DELETE", "/kapacitor/v1/tasks/x");
    expect(json.error).toBe(
      'user ~subscriber does not have "delete" privilege for API endpoint "/kapacitor/v1/tasks/x"',
    );
  });

  test("a change takes effect at once, absent members stay", async () => {
    const all = ["api", "config_api", "write_points"];
    const changed = await ask(app, root, "PATCH", `${USERS}/bob`, { permissions: all });
    expect(changed.json.permissions).toEqual(["all"]);
    expect((await ask(app, "bob:p", "POST", "/write?db=d")).status).toBe(204);
    await ask(app, root, "PATCH", `${USERS}/bob`, { password: "new" });
    expect((await ask(app, "bob:p", "GET", USERS)).status).toBe(401);
    expect((await ask(app, "bob:new", "GET", USERS)).status).toBe(200);
    const admin = await ask(app, root, "PATCH", `${USERS}/bob`, { type: "admin" });
    expect(admin.json).toMatchObject({ type: "admin", permissions: [] });
  });

  test("unknown users", async () => {
    expect((await ask(app, root, "GET", `${USERS}/x`)).json.error).toBe("no user exists");
    const patched = await ask(app, root, "PATCH", `${USERS}/x`, {});
    expect([patched.status, patched.json.error]).toEqual([
      500,
      "failed to create user: updating user: no user exists",
    ]);
    expect((await ask(app, root, "DELETE", `${USERS}/x`)).status).toBe(204);
    expect((await ask(app, root, "GET", `${USERS}/`)).json.error).toBe(
      "must specify username on path",
    );
  });

  test("the list, by name", async () => {
    const { json } = await ask(app, root, "GET", `${USERS}?pattern=b*&fields=type`);
    expect(json).toEqual({
      users: [
        { link: { rel: "self", href: "/kapacitor/v1/users/bob" }, name: "bob", type: "admin" },
      ],
    });
  });

  test("a deleted user is out", async () => {
    await ask(app, root, "DELETE", `${USERS}/bob`);
    expect((await ask(app, "bob:new", "GET", USERS)).status).toBe(401);
  });
});

test("a right password is remembered for an hour, a wrong one never", async () => {
  const { users, clock } = world();
  await users.create("bob", { password: "p" });
  expect(await users.verify("bob", "p")).toBeDefined();
  expect(await users.verify("bob", "q")).toBeUndefined();
  clock.advance(PASSWORD_MEMORY_MS + 1);
  expect(await users.verify("bob", "p")).toBeDefined();
});

test("without a user store, users cannot be asked for", async () => {
  const { status, json } = await ask(createApp(fakeServices()), "a:b", "GET", USERS);
  expect([status, json.error]).toEqual([501, "users are not available: [auth] is not enabled"]);
});

describe("writes to one database", () => {
  const { users, app } = world();
  beforeAll(async () => {
    await users.create("w", { password: "p", permissions: ["write_points:a b", "api"] });
  });

  async function write(user: string, path: string) {
    const headers = { Authorization: user };
    const request = { method: "POST", headers, body: "cpu usage=1" };
    const response = await app.handle(new Request(`http://localhost${path}`, request));
    return `${response.status} ${await response.text()}`;
  }
  const basic = (user: string): string => `Basic ${btoa(user)}`;
  const bearer = async (): Promise<string> => {
    const token = await new SignJWT({ username: "w", exp: 9e9 })
      .setProtectedHeader({ alg: "HS512" })
      .sign(new TextEncoder().encode(SECRET));
    return `Bearer ${token}`;
  };
  const refusal = (name: string, db: string): string =>
    `"${name}" user is not authorized to write to database "${db}"`;

  test.each([
    ["/write?db=a%20b", "204 "],
    ["/kapacitor/v1/write?db=a+b&rp=any", "204 "],
    ["/write?db=a", `401 ${refusal("w", "a")}\n`],
    ["/write?db=q%22", `401 ${refusal("w", 'q\\"')}\n`],
    ["/write", "400 database is required\n"],
  ])("by name or bearer token: %s is %j", async (path, answer) => {
    expect(await write(basic("w:p"), path)).toBe(answer);
    expect(await write(await bearer(), path)).toBe(answer);
  });

  test("the 2.x write API says it in its own shape", async () => {
    const coded = JSON.stringify({ code: "unauthorized", message: refusal("w", "c") });
    expect(await write("Token w:p", "/api/v2/write?bucket=c/rp")).toBe(`401 ${coded}`);
    expect(await write("Token w:p", "/api/v2/write?bucket=a%20b/rp")).toBe("204 ");
  });

  test("a subscription's token writes to the database of its subscription only", async () => {
    const token = basic("~subscriber:t0ken");
    expect(await write(token, "/write?db=telegraf&rp=autogen")).toBe("204 ");
    expect(await write(token, "/write?db=other")).toBe(`401 ${refusal("~subscriber", "other")}\n`);
  });

  test("nothing of a refused body is read", async () => {
    const { app: fresh } = world();
    const request = { method: "POST", headers: { Authorization: basic("~subscriber:t0ken") } };
    const url = "http://localhost/write?db=other";
    const response = await fresh.handle(new Request(url, { ...request, body: "not a line" }));
    expect(response.status).toBe(401);
  });

  test("the list of permissions is bounded", async () => {
    const many = Array.from({ length: USER_PERMISSIONS_MAX }, (_, i) => `write_points:${i}`);
    await users.update("w", { permissions: many });
    const last = `/write?db=${USER_PERMISSIONS_MAX - 1}`;
    expect(await write(basic("w:p"), last)).toBe("204 ");
    expect(users.update("w", { permissions: [...many, "api"] })).rejects.toThrow(
      `invalid permissions: at most ${USER_PERMISSIONS_MAX} may be given`,
    );
    const long = `write_points:${"d".repeat(PERMISSION_LENGTH_MAX)}`;
    expect(users.update("w", { permissions: [long] })).rejects.toThrow("invalid permissions: ");
  });
});

test("bodies of writes are in the log when they are traced, their beginning at least", async () => {
  const services = fakeServices({ writeTracing: true });
  const app = createApp(services);
  const write = (body: string) =>
    app.handle(new Request("http://localhost/write?db=d&rp=r", { method: "POST", body }));
  await write("cpu usage=1 1");
  await write(`cpu s="${"x".repeat(TRACED_BYTES_MAX)}" 1`);
  const traced = services.logged.filter(({ message }) => message.startsWith("write body"));
  expect(traced[0]?.fields).toEqual({ service: "http", db: "d", rp: "r", body: "cpu usage=1 1" });
  expect(String(traced[1]?.fields["body"]).length).toBe(TRACED_BYTES_MAX);
  expect(traced[1]?.fields["bytes-left-out"]).toBe(10);
  const silent = fakeServices();
  await createApp(silent).handle(
    new Request("http://localhost/write?db=d", { method: "POST", body: "c u=1" }),
  );
  expect(silent.logged).toEqual([]);
});
