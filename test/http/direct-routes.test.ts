import { describe, expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { DirectRoutes } from "#http/direct-routes.ts";
import { DIRECT_URL_LENGTH_MAX, DIRECT_URLS_MAX } from "#http/limits.ts";
import { write } from "#http/resources/write.ts";
import { fakeServices } from "./fake-services.ts";

const [route] = write.routes;
if (route === undefined) throw new Error("no write route");
const PATHS = ["/write", "/kapacitor/v1/write", "/kapacitor/v1preview/write"];
const fresh = () => new DirectRoutes(PATHS.map((path) => [path, route] as const));
const post = (url: string, method = "POST") => new Request(url, { method });

describe("a URL is found", () => {
  test.each(PATHS)("at %s, with its query", (path) => {
    const found = fresh().find(post(`http://h:1${path}?db=a%20b&rp=`));
    expect(found?.route).toBe(route);
    expect(found?.target).toEqual({ path, query: "db=a%20b&rp=" });
    expect([found?.query.get("db"), found?.query.get("rp")]).toEqual(["a b", ""]);
    expect(found?.uri).toBe(`${path.replace("v1preview", "v1")}?db=a%20b&rp=`);
  });

  test.each([
    ["another method", post("http://h/write", "GET")],
    ["a slash behind it", post("http://h/write/")],
    ["a doubled slash", post("http://h//write")],
    ["an escape in it", post("http://h/wr%69te")],
    ["another case", post("http://h/Write")],
    ["another path", post("http://h/kapacitor/v1/tasks")],
    ["no path", post("http://h")],
  ])("not with %s", (_, request) => {
    expect(fresh().find(request)).toBeUndefined();
  });
});

test("what a URL says is kept for the next request to it, not for another one", () => {
  const routes = fresh();
  const first = routes.find(post("http://h/write?db=a"));
  expect(routes.find(post("http://h/write?db=a"))).toBe(first as NonNullable<typeof first>);
  expect(routes.find(post("http://h/write?db=b"))?.query.get("db")).toBe("b");
});

test("a URL with a password is read each time", () => {
  const routes = fresh();
  const find = () => routes.find(post("http://h/write?db=a&u=bob&p=secret"));
  const first = find();
  expect(first?.query.get("p")).toBe("secret");
  expect(find()).not.toBe(first as NonNullable<typeof first>);
});

test("at most so many URLs are kept; then all are read anew, and rightly", () => {
  const routes = fresh();
  const find = (i: number) => routes.find(post(`http://h/write?db=d${i}`));
  const first = find(0);
  for (let i = 1; i < DIRECT_URLS_MAX; i++) find(i);
  expect(find(0)).toBe(first as NonNullable<typeof first>);
  expect(find(DIRECT_URLS_MAX)?.query.get("db")).toBe(`d${DIRECT_URLS_MAX}`);
  expect(find(0)).not.toBe(first as NonNullable<typeof first>);
  expect(find(0)?.query.get("db")).toBe("d0");
});

test("a longer URL goes the ordinary way, to the same answer", async () => {
  const start = "http://localhost/kapacitor/v1/write?db=d&x=";
  for (const length of [DIRECT_URL_LENGTH_MAX, DIRECT_URL_LENGTH_MAX + 1]) {
    const url = start.padEnd(length, "y");
    expect(fresh().find(post(url)) !== undefined).toBe(length === DIRECT_URL_LENGTH_MAX);
    const services = fakeServices();
    const request = new Request(url, { method: "POST", body: "cpu usage=1 5" });
    const { status } = await createApp(services).handle(request);
    expect([status, services.engine.written[0]?.db]).toEqual([204, "d"]);
  }
});

test("both ways answer alike: status, headers and text, of what is taken and what is refused", async () => {
  const headersOf = ({ headers }: Response) =>
    [...headers].filter(([name]) => name !== "request-id");
  for (const [query, body] of [
    ["db=d", "cpu usage=1 5"],
    ["db=d", ""],
    ["", "cpu usage=1 5"],
    ["", "cpu"],
    ["db=d&precision=x", "cpu usage=1 5"],
  ]) {
    const answers = ["a=1", `a=${"1".repeat(DIRECT_URL_LENGTH_MAX)}`].map(async (more) => {
      const url = `http://localhost/write?${query}&${more}`;
      const headers = { Origin: "http://o" };
      const request = new Request(url, { method: "POST", headers, body: body ?? "" });
      const answer = await createApp(fakeServices()).handle(request);
      return [answer.status, headersOf(answer), await answer.text()];
    });
    const [direct, routed] = await Promise.all(answers);
    expect(direct).toEqual(routed as NonNullable<typeof routed>);
  }
});
