/** `alert` and `silence` against the API over a real alert service. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { OK } from "#alert/level.ts";
import { listen } from "#http/server.ts";
import { event, quiet, spec } from "#test/alert/support.ts";
import { alertWorld } from "#test/http/alert-world.ts";
import { runCli } from "./support.ts";

const world = alertWorld();
let server: ReturnType<typeof listen>;
beforeAll(() => {
  server = listen(world.app, { host: "127.0.0.1", port: 0 });
});
afterAll(() => server.close(0, () => Promise.resolve()));

async function run(...args: string[]): Promise<string> {
  const { out, err, code } = await runCli(["kapacitor", ...args], {
    variables: { KAPACITOR_URL: `http://127.0.0.1:${server.port}`, USER: "ann" },
  });
  return `${out}${err}${code}`;
}

describe("alert", () => {
  test("trace and queue tell what became of an event", async () => {
    const { service } = world.alerts;
    service.set(spec({ id: "ok_only", match: "level() == OK" }));
    service.set(spec({ id: "slack" }));
    world.fake.answer = async () => ({ kind: "rejected", error: "bad request" });
    service.publish(event(), "cluster");
    await quiet();
    service.remove("t", "ok_only");
    service.remove("t", "slack");
    service.publish(event({ level: OK, time: { ms: 1_060_000, ns: 0 } }), "cluster");
    expect(await run("alert", "trace", "t", "cpu:host=h1")).toBe(
      [
        "Time                Level       Handler Stage Verdict At                  Reason",
        "01 Jan 70 00:17 UTC CRITICAL→OK                                           no handler is attached",
        "01 Jan 70 00:16 UTC OK→CRITICAL ok_only match stopped 13 Sep 20 12:26 UTC the match expression is false",
        "01 Jan 70 00:16 UTC OK→CRITICAL slack   own   passed  13 Sep 20 12:26 UTC wanted",
        "01 Jan 70 00:16 UTC OK→CRITICAL slack   send  failed  13 Sep 20 12:26 UTC failed: bad request",
        "0",
      ].join("\n"),
    );
    service.set(spec({ id: "slack" }));
    service.publish(event({ id: "x" }), "cluster");
    await quiet();
    expect(await run("alert", "queue", "t", "slack")).toBe(
      [
        ...["Topic: t", "Handler: slack", "Kind: fake", "Sent: 0", "Failed: 1", "Retried: 0"],
        ...["Superseded: 0", "Expired: 0", "Dropped: 0", "Waiting: 0", "In flight: 0"],
        ...["Stopped by match: 0", "Stopped by a failing match: 0", "Silenced: 0"],
        ...["Last error: bad request", "0"],
      ].join("\n"),
    );
    const json = await run("-output", "json", "alert", "queue", "t", "slack");
    expect(JSON.parse(json.slice(0, -1))).toMatchObject({ handler: "slack", failed: 1 });
  });

  test.each([
    [["alert"], "Must provide one of trace, queue.", "2"],
    [["alert", "trace", "t"], "Must provide a topic ID and an event ID.", "2"],
    [["alert", "queue", "t"], "Must provide a topic ID and a handler ID.", "2"],
    [["alert", "trace", "t", "nope"], 'Error: unknown event "nope" in topic "t"', "3"],
    [["alert", "queue", "t", "nope"], 'Error: unknown handler: "nope"', "3"],
  ])("%p", async (args, said, code) => {
    const ran = await run(...args);
    expect(ran).toStartWith(said);
    expect(ran).toEndWith(code);
  });
});

describe("silence", () => {
  test("add, list and expire", async () => {
    const matchers = ["tag:host=db1", "level!=CRITICAL", "id=~disk:.*", "topic!~test"];
    const added = await run("silence", "add", "-for", "2h", "-comment", "new disks", ...matchers);
    const id = added.split("\n")[0] ?? "";
    expect(world.silences.get(id)).toMatchObject({ author: "ann", comment: "new disks" });
    const heads = `ID${" ".repeat(35)}Status Starts              Ends                Author Matchers`;
    const listed = await run("silence", "list");
    const [head, row] = listed.split("\n");
    expect(head).toStartWith(heads);
    expect(row).toBe(
      `${id} active 13 Sep 20 12:26 UTC 13 Sep 20 14:26 UTC ann    ${matchers.join(" ")} new disks`,
    );
    expect(await run("silence", "expire", id)).toBe("0");
    expect((await run("silence", "list")).split("\n").length).toBe(2);
    expect(await run("silence", "list", "-all")).toContain(`${id} expired`);
    const json = await run("silence", "list", "-all", "-output", "json");
    expect(JSON.parse(json.slice(0, -1)).silences[0].id).toBe(id);
  });

  test.each([
    [["silence"], "Must provide one of add, list, expire.", "2"],
    [["silence", "add", "-for", "1h"], "Must provide at least one matcher.", "2"],
    [["silence", "add", "-for", "1h", "host=x"], "not a matcher: host=x;", "2"],
    [["silence", "add", "topic=t"], "Error: invalid silence: give either ends or duration", "3"],
    [["silence", "expire"], "Must provide at least one silence ID.", "2"],
    [["silence", "expire", "x"], 'Error: unknown silence: "x"', "3"],
    [["silence", "list", "x"], "unexpected word x", "2"],
  ])("%p", async (args, said, code) => {
    const ran = await run(...args);
    expect(ran).toStartWith(said);
    expect(ran).toEndWith(code);
  });
});
