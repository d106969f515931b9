/** Overrides: what may be changed, what is stored, what running parts see, and what a restart makes of it. */

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LISTENER_MS_MAX, UPDATES_WAITING_MAX } from "#config/limits.ts";
import { loadConfig } from "#config/load.ts";
import { readAction, type UpdateAction } from "#config/override-action.ts";
import { ConfigService, type UpdateOutcome } from "#config/overrides.ts";
import { configOverrides } from "#config/stored-override.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type LogEntry, logTo } from "#lib/log.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StorageError } from "#storage/store.ts";

const SMTP = `[smtp]\nenabled = true\nhost = "mail"\nfrom = "a@b"\nto = ["x@y"]\npassword = "pw"\n`;
const TWO_INFLUX =
  `[[influxdb]]\nenabled = true\ndefault = true\nname = "one"\nurls = ["http://one"]\n` +
  `[[influxdb]]\nname = "two"\nurls = ["http://two"]\n`;

interface World {
  readonly service: ConfigService;
  readonly store: MemoryStore;
  readonly clock: VirtualClock;
  readonly logged: LogEntry[];
}

function world(text = "", store = new MemoryStore()): World {
  const file = { path: "k.conf", text: `data_dir = "/d"\n${text}` };
  const clock = new VirtualClock();
  const logged: LogEntry[] = [];
  const log = logTo((entry) => logged.push(entry));
  const { config } = loadConfig({ file });
  return { service: new ConfigService({ config, store, clock, log }), store, clock, logged };
}

function action(input: object): UpdateAction {
  const read = readAction(input);
  if (typeof read === "string") throw new Error(read);
  return read;
}

/** `smtp/` is the element "" of smtp, `smtp` the section. */
function update({ service }: World, path: string, input: object): Promise<UpdateOutcome> {
  const slash = path.indexOf("/");
  const section = slash < 0 ? path : path.slice(0, slash);
  const element = slash < 0 ? undefined : path.slice(slash + 1);
  return service.update({ section, element }, action(input));
}

async function refusal(here: World, path: string, input: object): Promise<string> {
  const before = here.service.current();
  const outcome = await update(here, path, input);
  expect(here.service.current()).toBe(before);
  expect(here.store.table(configOverrides).count()).toBe(0);
  return outcome.kind === "refused" ? outcome.error : outcome.kind;
}

function stored(store: MemoryStore): Record<string, unknown> {
  return Object.fromEntries(store.table(configOverrides).entries());
}

describe("setting options", () => {
  test("lays them over the file, and deleting brings the file's value back", async () => {
    const here = world(SMTP);
    await update(here, "smtp/", { set: { host: "other", port: 26 } });
    expect(here.service.current().smtp).toMatchObject({ host: "other", port: 26, from: "a@b" });
    await update(here, "smtp/", { set: { host: "third" }, delete: ["port"] });
    expect(here.service.current().smtp).toMatchObject({ host: "third", port: 25 });
    await update(here, "smtp/", { delete: ["host"] });
    expect(here.service.current().smtp.host).toBe("mail");
    expect(stored(here.store)).toEqual({});
  });

  test("keeps what clients sent, under section and element", async () => {
    const here = world(TWO_INFLUX);
    await update(here, "influxdb/two", { set: { timeout: "5s" } });
    expect(stored(here.store)).toEqual({
      "influxdb/two": { id: "influxdb/two", options: { timeout: "5s" }, create: false },
    });
  });

  test("gives a frozen configuration whose other sections stay the same objects", async () => {
    const here = world(SMTP);
    const before = here.service.current();
    await update(here, "smtp/", { set: { port: 26 } });
    const after = here.service.current();
    expect(Object.isFrozen(after) && Object.isFrozen(after.smtp)).toBe(true);
    expect(after.influxdb).toBe(before.influxdb);
    expect(before.smtp.port).toBe(25);
  });

  test.each([
    ["an integer from text", "smtp/", { port: "0x1A" }, { port: 26 }],
    ["an integer from a number", "smtp/", { port: 26 }, { port: 26 }],
    ["a flag from text", "smtp/", { "no-verify": "true" }, { "no-verify": true }],
    ["a duration from text", "smtp/", { "idle-timeout": "1m" }, { "idle-timeout": 60e9 }],
    ["a duration from nanoseconds", "smtp/", { "idle-timeout": 5 }, { "idle-timeout": 5 }],
    ["a list", "smtp/", { to: ["a@b", "c@d"] }, { to: ["a@b", "c@d"] }],
    ["null as an empty list", "smtp/", { to: null }, { to: [] }],
    ["the API's own name of a key", "smtp/", { "to-templates": ["t"] }, { toTemplates: ["t"] }],
  ])("takes %s", async (_, path, set, wanted) => {
    const here = world(SMTP);
    expect(await update(here, path, { set })).toEqual({ kind: "done" });
    expect(here.service.current().smtp).toMatchObject(wanted);
  });

  test("takes tables of lists and of text", async () => {
    const here = world();
    const subscriptions = { telegraf: ["autogen"] };
    await update(here, "influxdb/default", { set: { subscriptions } });
    await update(here, "httppost/example", { set: { headers: { A: "b" } } });
    await update(here, "zenoss/", { set: { "severity-map": { OK: "Fine" } } });
    expect(here.service.current().influxdb[0]?.subscriptions).toEqual(subscriptions);
    expect(here.service.current().httppost[0]?.headers).toEqual({ A: "b" });
    expect(here.service.current().zenoss["severity-map"]).toMatchObject({
      OK: "Fine",
      Info: "Info",
    });
  });
});

describe("refusals", () => {
  const override = "failed to override configuration ";
  const apply = "failed to apply update: ";
  test.each<[string, object, string]>([
    [
      "smtp",
      { set: { port: 1 } },
      `${apply}invalid update action: element not specified, are you missing a trailing '/'?`,
    ],
    [
      "smtp",
      {},
      `${apply}invalid update action: element not specified, are you missing a trailing '/'?`,
    ],
    [
      "influxdb/default",
      { set: { timeout: 1 }, remove: ["x"] },
      `${apply}invalid update action: cannot provide both set/delete and add/remove actions in the same update`,
    ],
    [
      "influxdb/x",
      { add: { name: "x" } },
      `${apply}invalid update action: must not provide an element name when adding an a new override`,
    ],
    [
      "influxdb/x",
      { remove: ["x"] },
      `${apply}invalid update action: must not provide element when removing an override`,
    ],
    ["sm tp/", { set: { a: 1 } }, `${apply}invalid update action: invalid section name "sm tp"`],
    ["smtp", { add: { a: 1 } }, `${apply}section "smtp" is not a list, cannot add new element`],
    ["smtp", { remove: ["a"] }, `${apply}section "smtp" is not a list, cannot remove element`],
    ["nope", { add: { a: 1 } }, `${apply}unknown section "nope"`],
    ["http", { add: { a: 1 } }, `${apply}unknown section "http"`],
    ["influxdb", { add: { urls: [] } }, `${apply}missing key "name" in "add" map`],
    ["influxdb", { add: { name: 3 } }, `${apply}expected "name" key to be a string`],
    ["influxdb", { add: { name: "a/b" } }, `${apply}invalid element name "a/b"`],
    [
      "influxdb",
      { add: { name: "default" } },
      `${apply}element "default" of section "influxdb" already exists`,
    ],
    [
      "smtp/",
      { set: { bogus: 1, port: 2 } },
      `${override}smtp/: unknown options [bogus] in section smtp`,
    ],
    [
      "smtp/x",
      { set: { port: 2, host: "h" } },
      `${override}smtp/x: unknown options [host port] in section smtp`,
    ],
    ["nope/", { set: { a: 2 } }, `${override}nope/: unknown options [a] in section nope`],
    ["http/", { set: { a: 2 } }, `${override}http/: unknown options [a] in section http`],
    [
      "smtp/",
      { set: { toTemplates: [] } },
      `${override}smtp/: unknown options [toTemplates] in section smtp`,
    ],
    [
      "smtp/",
      { set: { port: "x" } },
      `${override}smtp/: cannot set option port: cannot convert string "x" into int`,
    ],
    [
      "smtp/",
      { set: { port: 1.5 } },
      `${override}smtp/: cannot set option port: cannot convert number 1.5 into int`,
    ],
    [
      "smtp/",
      { set: { port: 65536 } },
      `${override}smtp/: cannot set option port: expected an integer from 0 to 65535, found the number 65536`,
    ],
    [
      "smtp/",
      { set: { "idle-timeout": "x" } },
      `${override}smtp/: cannot set option idle-timeout: expected a duration such as "10s" or "1m30s", not negative, found the string "x"`,
    ],
    [
      "smtp/",
      { set: { to: [1] } },
      `${override}smtp/: cannot set option to: cannot convert array into []string`,
    ],
    [
      "smtp/",
      { set: { from: "" } },
      `${override}smtp/: failed validation: must provide a 'from' address`,
    ],
    [
      "influxdb/default",
      { set: { name: "other" } },
      `${override}influxdb/default: cannot set option name: it names the element`,
    ],
    [
      "scraper",
      { add: { name: "s", db: "d", rp: "r", enabled: true } },
      `${override}scraper/: failed validation: scraping is not available yet`,
    ],
  ])("%s %j", async (path, input, error) => {
    expect(await refusal(world(SMTP), path, input)).toBe(error);
  });

  test.each<[string, object]>([
    ["slack/", { set: { url: 12345678 } }],
    ["smtp/", { set: { password: ["hunter2"] } }],
    ["httppost/example", { set: { "basic-auth": { password: 12345678 } } }],
    ["httppost/example", { set: { "basic-auth": "hunter2" } }],
  ])("never repeat a secret: %s %j", async (path, input) => {
    const error = await refusal(world(SMTP), path, input);
    expect(error).toContain("cannot set option");
    expect(error).not.toMatch(/hunter2|12345678/);
  });

  test("any JSON is taken or refused with a text, never worse", async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue(), fc.constantFrom("set", "add"), async (value, part) => {
        const here = world(SMTP);
        const read = readAction({ [part]: value });
        if (typeof read === "string") return expect(read).toContain("json: cannot unmarshal");
        for (const path of ["smtp/", "influxdb", "zenoss/"]) {
          const outcome = await update(here, path, read);
          if (outcome.kind !== "done") expect(outcome.error).toStartWith("failed to ");
        }
        for (const key of Object.keys(here.service.current().smtp)) {
          const outcome = await update(here, "smtp/", { set: { [key]: value } });
          if (outcome.kind !== "done") expect(outcome.error).toStartWith("failed to ");
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("reading an action", () => {
  test.each<[unknown, string]>([
    [[], "json: cannot unmarshal array into Go value of type client.ConfigUpdateAction"],
    ["x", "json: cannot unmarshal string into Go value of type client.ConfigUpdateAction"],
    [
      { set: [] },
      "json: cannot unmarshal array into Go struct field ConfigUpdateAction.set of type map[string]interface {}",
    ],
    [
      { delete: "port" },
      "json: cannot unmarshal string into Go struct field ConfigUpdateAction.delete of type []string",
    ],
    [
      { remove: [true] },
      "json: cannot unmarshal bool into Go struct field ConfigUpdateAction.remove of type string",
    ],
  ])("%j is refused", (input, error) => {
    expect(readAction(input)).toBe(error);
  });

  test("null is an action that does nothing, unknown members are ignored", () => {
    const nothing = { set: {}, delete: [], add: {}, remove: [] };
    expect(readAction(null)).toEqual(nothing);
    expect(readAction({ other: 1, set: null })).toEqual(nothing);
  });
});

describe("adding and removing elements", () => {
  test("an added element starts from its own defaults, not from the file's", async () => {
    const here = world();
    await update(here, "influxdb", { add: { name: "b", urls: ["http://b"] } });
    const [, added] = here.service.current().influxdb;
    expect(added).toMatchObject({
      name: "b",
      enabled: false,
      "excluded-subscriptions": {},
      "udp-buffer": 1000,
    });
    await update(here, "scraper", { add: { name: "s", db: "d", rp: "r" } });
    expect(here.service.current().scraper).toMatchObject([
      { type: "prometheus", "scrape-timeout": 10e9, enabled: false },
    ]);
    expect(stored(here.store)["scraper/s"]).toEqual({
      id: "scraper/s",
      options: { name: "s", db: "d", rp: "r" },
      create: true,
    });
  });

  test("an added element can be changed, and its options fall back to its own defaults", async () => {
    const here = world();
    await update(here, "influxdb", { add: { name: "b", urls: ["http://b"], timeout: "1s" } });
    await update(here, "influxdb/b", { set: { username: "u" }, delete: ["timeout"] });
    expect(here.service.current().influxdb[1]).toMatchObject({ username: "u", timeout: 0 });
  });

  test("adding twice is refused and changes nothing", async () => {
    const here = world();
    await update(here, "influxdb", { add: { name: "b", urls: ["http://b"] } });
    expect(await update(here, "influxdb", { add: { name: "b", urls: ["http://c"] } })).toEqual({
      kind: "refused",
      error: 'failed to apply update: element "b" of section "influxdb" already exists',
    });
    expect(here.service.current().influxdb[1]?.urls).toEqual(["http://b"]);
  });

  test("removing takes added elements away and only the overrides of the file's", async () => {
    const here = world();
    await update(here, "influxdb", { add: { name: "b", urls: ["http://b"] } });
    await update(here, "influxdb/default", { set: { timeout: "1s" } });
    expect(await update(here, "influxdb", { remove: ["b", "default", "never-there"] })).toEqual({
      kind: "done",
    });
    expect(here.service.current().influxdb).toMatchObject([{ name: "default", timeout: 0 }]);
    expect(stored(here.store)).toEqual({});
  });

  test("one request can remove an element and add it anew", async () => {
    const here = world();
    await update(here, "influxdb", { add: { name: "b", urls: ["http://b"] } });
    await update(here, "influxdb", { remove: ["b"], add: { name: "b", urls: ["http://c"] } });
    expect(here.service.current().influxdb[1]?.urls).toEqual(["http://c"]);
  });
});

describe("running parts", () => {
  test("hear of a change of their section before it becomes current, and of no other", async () => {
    const here = world(SMTP);
    const heard: [number, number][] = [];
    here.service.onChange("smtp", ({ port }) => {
      heard.push([port, here.service.current().smtp.port]);
    });
    await update(here, "smtp/", { set: { port: 26 } });
    await update(here, "smtp/", { set: { port: 26 } });
    await update(here, "smtp/", {});
    await update(here, "talk/", { set: { author_name: "x" } });
    expect(heard).toEqual([[26, 25]]);
  });

  test("that refuse undo the change for everybody, and nothing is stored", async () => {
    const here = world(SMTP);
    const ports: number[] = [];
    here.service.onChange("smtp", async ({ port }) => {
      ports.push(port);
    });
    here.service.onChange("smtp", ({ port }) => {
      if (port === 26) throw new Error("port 26 is closed");
    });
    expect(await update(here, "smtp/", { set: { port: 26 } })).toEqual({
      kind: "failed",
      error: "failed to update configuration smtp/: port 26 is closed",
    });
    expect(ports).toEqual([26, 25]);
    expect(here.service.current().smtp.port).toBe(25);
    expect(stored(here.store)).toEqual({});
  });

  test("that do not answer in time refuse", async () => {
    const here = world(SMTP);
    const cancel = here.service.onChange("smtp", ({ port }) =>
      port === 26 ? new Promise<void>(() => {}) : undefined,
    );
    const answer = update(here, "smtp/", { set: { port: 26 } });
    for (let i = 0; i < 20; i++) await Promise.resolve();
    here.clock.advance(LISTENER_MS_MAX);
    expect(await answer).toEqual({
      kind: "failed",
      error:
        "failed to update configuration smtp/: timeout: the service did not take the configuration within 10s",
    });
    cancel();
    expect(await update(here, "smtp/", { set: { port: 26 } })).toEqual({ kind: "done" });
  });

  test("get the old value back when the change cannot be stored", async () => {
    const here = world(SMTP);
    const ports: number[] = [];
    here.service.onChange("smtp", ({ port }) => {
      ports.push(port);
    });
    await here.store.close();
    await expect(update(here, "smtp/", { set: { port: 26 } })).rejects.toBeInstanceOf(StorageError);
    expect(ports).toEqual([26, 25]);
    expect(here.service.current().smtp.port).toBe(25);
  });

  test("see changes one after the other, and too many waiting ones are refused", async () => {
    const here = world(SMTP);
    const seen: string[] = [];
    here.service.onChange("smtp", async ({ port }) => {
      seen.push(`begin ${port}`);
      await Promise.resolve();
      seen.push(`end ${port}`);
    });
    const changes = Array.from({ length: UPDATES_WAITING_MAX + 1 }, (_, i) =>
      update(here, "smtp/", { set: { port: 100 + i } }),
    );
    const outcomes = await Promise.all(changes);
    expect(outcomes.filter(({ kind }) => kind === "done").length).toBe(UPDATES_WAITING_MAX);
    expect(outcomes.at(-1)).toEqual({
      kind: "failed",
      error: `failed to update configuration smtp/: too many changes are waiting, at most ${UPDATES_WAITING_MAX} may`,
    });
    expect(seen.slice(0, 4)).toEqual(["begin 100", "end 100", "begin 101", "end 101"]);
  });
});

describe("at start", () => {
  test("stored overrides are laid over the file", async () => {
    const before = world(TWO_INFLUX);
    await update(before, "influxdb/two", { set: { timeout: "5s" } });
    await update(before, "influxdb", { add: { name: "three", urls: ["http://three"] } });
    const { service, logged } = world(TWO_INFLUX, before.store);
    expect(service.current().influxdb).toEqual(before.service.current().influxdb);
    expect(logged).toEqual([]);
  });

  test.each(["skip-config-overrides = true\n", "[config-override]\nenabled = false\n"])(
    "they are left alone with %j",
    async (text) => {
      const before = world();
      await update(before, "talk/", { set: { author_name: "x" } });
      const { service, logged } = world(text, before.store);
      expect(service.current().talk.author_name).toBe("");
      expect(logged).toEqual([]);
    },
  );

  test("a skipped override comes back with the next change of its element only", async () => {
    const before = world();
    await update(before, "talk/", { set: { author_name: "x" } });
    await update(before, "sensu/", { set: { source: "y" } });
    const here = world("skip-config-overrides = true\n", before.store);
    await update(here, "talk/", { set: { url: "http://t" } });
    expect(here.service.current().talk).toMatchObject({ author_name: "x", url: "http://t" });
    expect(here.service.current().sensu.source).toBe("Kapacitor");
  });

  test("one that no longer fits is reported and left out, the others hold", async () => {
    const before = world(TWO_INFLUX);
    await update(before, "influxdb/two", { set: { timeout: "5s" } });
    await update(before, "influxdb/one", { set: { timeout: "6s" } });
    await update(before, "smtp/", { set: { port: 26 } });
    const renamed = TWO_INFLUX.replace('name = "two"', 'name = "deux"');
    const { service, logged } = world(renamed, before.store);
    expect(service.current().influxdb.map(({ timeout }) => timeout)).toEqual([6e9, 0]);
    expect(service.current().smtp.port).toBe(26);
    expect(logged).toMatchObject([
      {
        level: "error",
        message: "stored override is not applied",
        fields: { id: "influxdb/two", err: "unknown options [timeout] in section influxdb" },
      },
    ]);
  });

  test("two that are valid only together are both applied", async () => {
    const before = world(TWO_INFLUX);
    await update(before, "influxdb/two", { set: { enabled: true } });
    await before.store.commit([
      override("influxdb/one", { default: false }),
      override("influxdb/two", { enabled: true, default: true }),
    ]);
    const { service, logged } = world(TWO_INFLUX, before.store);
    expect(service.current().influxdb.map((each) => each.default)).toEqual([false, true]);
    expect(logged).toEqual([]);
  });

  test("rows that cannot be understood are reported, kept and never fatal", async () => {
    const store = new MemoryStore();
    await store.commit([
      { kind: configOverrides, key: "smtp/", value: [] },
      { kind: configOverrides, key: "nokey", value: {} },
      override("gone/x", { a: 1 }),
      override("smtp/x", {}),
    ]);
    const here = world(SMTP, store);
    const reasons = here.logged.map(({ fields }) => `${fields["id"]}: ${fields["err"]}`).sort();
    expect(reasons).toEqual([
      "gone/x: unknown section",
      "nokey: unknown form",
      "smtp/: unknown form",
      "smtp/x: unknown options [] in section smtp",
    ]);
    expect(await update(here, "smtp/", { set: { port: 26 } })).toEqual({ kind: "done" });
    expect(here.service.current().smtp.port).toBe(26);
    expect(store.table(configOverrides).count()).toBe(4);
  });

  test("a bad one can be repaired through the API", async () => {
    const store = new MemoryStore();
    await store.commit([override("smtp/", { port: "x", host: "other" })]);
    const here = world(SMTP, store);
    expect(here.service.current().smtp.host).toBe("mail");
    await update(here, "smtp/", { delete: ["port"] });
    expect(here.service.current().smtp).toMatchObject({ host: "other", port: 25 });
  });
});

function override(key: string, options: object) {
  return { kind: configOverrides, key, value: { id: key, options, create: false } };
}

describe("what the API shows", () => {
  test("secrets are true or false, options sorted, durations text, nothing null", () => {
    const { service } = world(SMTP);
    expect(service.view("smtp")).toEqual([
      {
        element: "",
        options: {
          enabled: true,
          from: "a@b",
          global: false,
          host: "mail",
          "idle-timeout": "30s",
          "no-verify": false,
          password: true,
          port: 25,
          "state-changes-only": false,
          to: ["x@y"],
          "to-templates": null,
          username: "",
        },
        redacted: ["password"],
      },
    ]);
    const keys = Object.keys(service.view("smtp")?.[0]?.options ?? {});
    expect(keys).toEqual([...keys].sort());
  });

  test("a table of secrets is one secret", async () => {
    const here = world();
    expect(here.service.view("httppost")?.[0]?.options["basic-auth"]).toBe(false);
    await update(here, "httppost/example", { set: { "basic-auth": { password: "p" } } });
    expect(here.service.view("httppost")?.[0]?.options["basic-auth"]).toBe(true);
  });

  test("sections without elements and sections of the daemon itself are not there", () => {
    const { service } = world();
    const names = [...service.views().keys()];
    expect(names).toEqual([...names].sort());
    expect(names).toContain("influxdb");
    for (const absent of ["ec2", "scraper", "http", "auth", "storage", "nope"]) {
      expect(names).not.toContain(absent);
      expect(service.view(absent)).toBeUndefined();
    }
  });

  test("no value of any secret appears anywhere", () => {
    const { service } = world(
      `[[slack]]\nurl = "http://s3cret"\ntoken = "s3cret"\n[smtp]\npassword = "s3cret"\n` +
        `[[influxdb]]\npassword = "s3cret"\ntoken = "s3cret"\n[[httppost]]\n` +
        `[httppost.basic-auth]\nusername = "s3cret"\npassword = "s3cret"\n[talk]\nurl = "http://s3cret"\n`,
    );
    expect(JSON.stringify([...service.views()])).not.toContain("s3cret");
  });
});
