/**
 * What every handler kind must do alike: map the same answers to the same outcomes, keep secrets out of error
 * texts, obey the abort signal, and send exactly the documented request for CRITICAL and OK.
 */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { HandlerKind } from "#alert/handler.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import {
  CRITICAL_EVENT,
  configFor,
  HTTP_KINDS,
  namedHeaders,
  OK_EVENT,
} from "../handlers/http-kinds.ts";
import { freePort, HttpReceiver, open, send, services } from "../handlers/support.ts";

let receiver: HttpReceiver;
beforeAll(() => {
  receiver = new HttpReceiver();
});
afterAll(() => receiver.close());
beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = () => new Response("");
});

/** Answers below 200 and redirects are the runtime's; these are the handlers'. */
const STATUSES = [
  [400, "rejected"],
  [401, "rejected"],
  [404, "rejected"],
  [408, "retry"],
  [429, "retry"],
  [500, "retry"],
  [503, "retry"],
] as const;

for (const one of HTTP_KINDS) {
  describe(one.kind, () => {
    const handler = (url = receiver.url) =>
      open(one.kind, one.options, services(configFor(one, url)));
    const accept = one.accepts[0] ?? 200;

    test.each([
      ["CRITICAL", CRITICAL_EVENT, one.critical, one.path],
      ["OK", OK_EVENT, one.ok, one.okPath ?? one.path],
    ] as const)("sends the whole request for %s", async (_level, event, body, path) => {
      receiver.answer = () => new Response(null, { status: accept });
      expect(await send(handler(), event)).toEqual({ kind: "sent" });
      const [received] = receiver.received;
      expect(received?.method).toBe("POST");
      expect(received?.path).toBe(path);
      expect(received && namedHeaders(one, received)).toEqual({ ...one.headers });
      expect(received?.body).toBe(body);
    });

    test.each(one.accepts.map((status) => [status]))("status %d is sent", async (status) => {
      receiver.answer = () => new Response(null, { status });
      expect((await send(handler(), CRITICAL_EVENT)).kind).toBe("sent");
    });

    test.each(STATUSES)("status %d is %s, without secrets in the text", async (status, kind) => {
      const echo = one.secrets.join(" and ");
      receiver.answer = () => Response.json({ message: `no: ${echo}` }, { status });
      const outcome = await send(handler(), CRITICAL_EVENT);
      expect(outcome.kind).toBe(kind);
      if (outcome.kind === "sent") return;
      expect(outcome.error).toContain(String(status));
      for (const secret of one.secrets) expect(outcome.error).not.toContain(secret);
    });

    test("a body that is not JSON shows no secrets either", async () => {
      receiver.answer = () => new Response(`oops ${one.secrets.join(" ")}`, { status: 418 });
      const outcome = await send(handler(), CRITICAL_EVENT);
      expect(outcome.kind).toBe("rejected");
      if (outcome.kind === "sent") return;
      for (const secret of one.secrets) expect(outcome.error).not.toContain(secret);
    });

    test.each([
      ["7", 7_000],
      ["soon", undefined],
    ])("Retry-After %p is passed on", async (header, want) => {
      const headers = { "Retry-After": header };
      receiver.answer = () => new Response("", { status: 429, headers });
      const outcome = await send(handler(), CRITICAL_EVENT);
      expect(outcome.kind === "retry" ? outcome.afterMs : "not a retry").toBe(want);
    });

    test("a refused connection is worth repeating", async () => {
      const outcome = await send(handler(`http://127.0.0.1:${freePort()}`), CRITICAL_EVENT);
      expect(outcome.kind).toBe("retry");
      if (outcome.kind === "sent") return;
      expect(outcome.error).toContain("connection refused");
      for (const secret of one.secrets) expect(outcome.error).not.toContain(secret);
    });

    test("an aborted request ends with the reason and is worth repeating", async () => {
      const abort = new AbortController();
      const { promise, resolve } = Promise.withResolvers<Response>();
      receiver.answer = () => {
        abort.abort(new Error("no answer within 30s"));
        return promise;
      };
      const outcome = await send(handler(), CRITICAL_EVENT, abort.signal);
      resolve(new Response(""));
      expect(outcome).toMatchObject({ kind: "retry" });
      expect(outcome.kind === "sent" ? "" : outcome.error).toContain("no answer within 30s");
    });

    test("an address that is none is final", async () => {
      const outcome = await send(handler("nonsense:/"), CRITICAL_EVENT);
      expect(outcome.kind).toBe("rejected");
    });

    if (one.kind !== "post") {
      test("a section that is off says so", async () => {
        const using = services({ [one.section ?? one.kind]: { ...one.config, enabled: false } });
        const outcome = await send(open(one.kind, one.options, using), CRITICAL_EVENT);
        expect(outcome).toEqual({ kind: "rejected", error: "service is not enabled" });
        const none = await send(open(one.kind, one.options, services()), CRITICAL_EVENT);
        expect(none).toEqual({ kind: "rejected", error: "service is not enabled" });
      });
    }
  });
}

describe("registry", () => {
  test("is sorted and names every kind of the reference", () => {
    const names = HANDLER_KINDS.map((kind) => kind.kind);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual([
      ...["aggregate", "alerta", "bigpanda", "discord", "exec", "hipchat", "kafka", "log", "mqtt"],
      ...["opsgenie", "opsgenie2", "pagerduty", "pagerduty2", "post", "publish", "pushover"],
      ...["sensu", "servicenow", "slack", "smtp", "snmptrap", "talk", "tcp", "teams", "telegram"],
      ...["victorops", "zenoss"],
    ]);
  });

  test("every HTTP kind has a case here", () => {
    const others = [
      "aggregate",
      "exec",
      "kafka",
      "log",
      "mqtt",
      "publish",
      "sensu",
      "smtp",
      "snmptrap",
      "tcp",
    ];
    const covered = [...HTTP_KINDS.map((one) => one.kind), ...others].sort();
    expect(HANDLER_KINDS.map((kind) => kind.kind)).toEqual(covered);
  });

  test.each(HANDLER_KINDS.map((kind) => [kind.kind, kind] as const))(
    "%s documents itself, its options and its properties",
    (_name, kind: HandlerKind) => {
      expect(kind.doc.length).toBeGreaterThan(5);
      const docs = Object.values<{ description?: string }>(kind.options["properties"] ?? {});
      for (const option of docs) expect(option.description?.length ?? 0).toBeGreaterThan(3);
      for (const property of kind.tick?.property.opens?.properties ?? []) {
        expect(property.doc.length).toBeGreaterThan(3);
      }
    },
  );

  test("only publish and aggregate stay inside", () => {
    const inside = HANDLER_KINDS.filter((kind) => !kind.external).map((kind) => kind.kind);
    expect(inside).toEqual(["aggregate", "publish"]);
  });
});
