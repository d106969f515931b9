/** The `smtp` kind against a mail server: whole mails, one connection, TLS, AUTH, and every sort of refusal. */

import { afterEach, describe, expect, test } from "bun:test";
import { HandlerKinds } from "#alert/handler-kinds.ts";
import { OK } from "#alert/level.ts";
import { SmtpClient, type SmtpSettings } from "#clients/smtp.ts";
import { handlerTests } from "#handlers/self-test.ts";
import { smtp } from "#handlers/smtp.ts";
import { VirtualClock } from "#lib/clock.ts";
import { type SinkAnswer, type SinkOptions, SmtpSink } from "../support/smtp-sink.ts";
import { SELF_SIGNED_CERT, SELF_SIGNED_KEY } from "./self-signed.ts";
import { freePort, open, send, services } from "./support.ts";

const TLS = { cert: SELF_SIGNED_CERT, key: SELF_SIGNED_KEY };
const IDLE_MS = 30_000;

const undo: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function sink(options: SinkOptions = {}): Promise<SmtpSink> {
  const opened = await SmtpSink.open(options);
  undo.push(() => opened.close());
  return opened;
}

function config(port: number, more: Readonly<Record<string, unknown>> = {}) {
  const smtp = {
    ...{ enabled: true, host: "127.0.0.1", port, username: "", password: "", "no-verify": false },
    ...{ from: "kapacitor@example.com", to: ["ops@example.com"], toTemplates: [] },
    "idle-timeout": IDLE_MS * 1e6,
    ...more,
  };
  return { smtp };
}

function mailer(port: number, more: Readonly<Record<string, unknown>> = {}, options = {}) {
  const clock = new VirtualClock({ ms: 1_600_000_000_000, ns: 0 });
  const handler = open("smtp", options, services(config(port, more), clock));
  undo.push(() => handler.close?.());
  return { handler, clock };
}

describe("the mail", () => {
  const headers = (subject: string, id: string): string =>
    [
      "Mime-Version: 1.0",
      "Date: Sun, 13 Sep 2020 12:26:40 +0000",
      "From: kapacitor@example.com",
      "To: ops@example.com, Night <night@example.com>",
      `Subject: ${subject}`,
      `Message-ID: <${id}@example.com>`,
      "Content-Transfer-Encoding: quoted-printable",
      "Content-Type: text/html; charset=UTF-8",
    ].join("\r\n");
  const idIn = (text = ""): string => /Message-ID: <([0-9a-f]{32})@/.exec(text)?.[1] ?? "none";

  test.each([
    ["CRITICAL", {}, "cpu:host=h1 is CRITICAL", "{&#34;a&#34;}"],
    ["OK", { level: OK, message: "fine again", details: "<b>ok</b>" }, "fine again", "<b>ok</b>"],
    [
      "non-ASCII",
      { message: "Lüfter 90 °C", details: "<p>é = 1</p>\n.\n..x\n" },
      "=?UTF-8?Q?L=C3=BCfter_90_=C2=B0C?=",
      "<p>=C3=A9 =3D 1</p>\r\n.\r\n..x",
    ],
  ] as const)("is complete for %s", async (_name, event, subject, body) => {
    const server = await sink();
    const to = ["ops@example.com", "Night <night@example.com>"];
    const { handler } = mailer(server.port, { to });
    expect(await send(handler, event)).toEqual({ kind: "sent" });
    const [mail] = server.mails;
    expect(mail?.text).toBe(`${headers(subject, idIn(mail?.text))}\r\n\r\n${body}\r\n`);
    expect(mail?.from).toBe("kapacitor@example.com");
    expect(mail?.to).toEqual(["ops@example.com", "night@example.com"]);
    expect(server.mails.length).toBe(1);
  });

  test("a repeated one has the same Message-ID, another event's mail has another", async () => {
    const server = await sink();
    const { handler } = mailer(server.port);
    for (const time of [1, 1, 2]) await send(handler, { time: { ms: time, ns: 0 } });
    const [first, second, third] = server.mails.map(({ text }) => idIn(text));
    expect(second).toBe(first ?? "");
    expect(third).not.toBe(first ?? "");
  });

  test("cannot be given headers by an event", async () => {
    const server = await sink();
    const { handler } = mailer(server.port);
    await send(handler, { message: "a\r\nBcc: evil@example.com\r\n\r\nx" });
    expect(server.mails[0]?.text).not.toMatch(/^Bcc:/im);
    expect(server.mails[0]?.to).toEqual(["ops@example.com"]);
  });

  test("has an empty body when there are no details", async () => {
    const server = await sink();
    const { handler } = mailer(server.port);
    expect(await send(handler, { details: "" })).toEqual({ kind: "sent" });
    expect(server.mails[0]?.text).toEndWith("charset=UTF-8\r\n\r\n");
  });
});

describe("recipients", () => {
  const mailTag = { tags: { mail: "tag@x.org" }, fields: { extra: "field@x.org" } };

  test.each([
    ["the section's", {}, {}, ["ops@example.com"]],
    ["the handler's own in their place", { to: ["a@x.org"] }, {}, ["a@x.org"]],
    [
      "own ones and those of templates over tags and fields",
      { to: ["a@x.org"], "to-field": ["{{ index .Tags `mail` }}", '{{ index .Fields "extra" }}'] },
      {},
      ["a@x.org", "tag@x.org", "field@x.org"],
    ],
    ["each once", { to: ["a@x.org", "tag@x.org", "a@x.org"] }, {}, ["a@x.org", "tag@x.org"]],
    [
      "the section's templates too",
      {},
      { toTemplates: ["{{ .TaskName }}@x.org"] },
      ["ops@example.com", "cpu_alert@x.org"],
    ],
    ["the section's when templates give nothing", { "to-field": [" "] }, {}, ["ops@example.com"]],
  ] as const)("are %s", async (_name, options, section, want) => {
    const server = await sink();
    const { handler } = mailer(server.port, section, options);
    expect(await send(handler, mailTag)).toEqual({ kind: "sent" });
    expect(server.mails.map((mail) => mail.to)).toEqual([[...want]]);
  });

  test.each([
    [{}, { to: [] }, "smtp: no recipients"],
    [{ to: ["nobody"] }, {}, 'smtp: invalid email address: "nobody"'],
    [{ to: ["a@b\r\nRCPT TO:<c@d>"] }, {}, "smtp: invalid email address"],
    [{ "to-field": ["{{ .Message }}"] }, {}, "can't evaluate field Message"],
  ])("%p with %p are refused without asking the server", async (options, section, want) => {
    const server = await sink();
    const { handler } = mailer(server.port, section, options);
    const outcome = await send(handler);
    expect(outcome).toMatchObject({ kind: "rejected" });
    expect(outcome.kind === "sent" ? "" : outcome.error).toContain(want);
    expect(server.connections).toBe(0);
  });

  test("a broken template is refused when the handler is made", () => {
    expect(() => open("smtp", { "to-field": ["{{"] }, services())).toThrow("unclosed action");
  });

  test("of a script are those of email(), to() and toTemplates()", () => {
    const text = (value: string) => ({ kind: "string", value }) as const;
    const call = (name: string, ...args: string[]) => ({
      ...{ name, args: args.map(text), calls: [], position: { line: 1, char: 1 } },
    });
    const { options } = new HandlerKinds([smtp]).inline({
      ...call("email", "a@x", "b@x"),
      calls: [call("to", "c@x"), call("to", "d@x"), call("toTemplates", "{{ .Name }}@x")],
    });
    expect(options).toEqual({ to: ["a@x", "b@x", "c@x", "d@x"], "to-field": ["{{ .Name }}@x"] });
  });
});

describe("the connection", () => {
  test("is one for all mails of all handlers, one mail at a time, and ends when idle", async () => {
    const server = await sink();
    const clock = new VirtualClock();
    const using = services(config(server.port), clock);
    const handlers = [open("smtp", {}, using), open("smtp", { to: ["b@x.org"] }, using)];
    for (const handler of handlers) undo.push(() => handler.close?.());
    const sends = Array.from({ length: 10 }, (_, i) => {
      const handler = handlers[i % 2];
      return handler && send(handler, { message: `mail ${i}` });
    });
    expect((await Promise.all(sends)).every((outcome) => outcome?.kind === "sent")).toBe(true);
    const subjects = server.mails.map(({ text }) => /Subject: (.*)\r/.exec(text)?.[1]);
    expect(subjects).toEqual(sends.map((_, i) => `mail ${i}`));
    expect(server.connections).toBe(1);
    clock.advance(IDLE_MS - 1);
    expect(server.commands).not.toContain("QUIT");
    clock.advance(1);
    await server.until(() => server.ended === 1);
    expect(server.commands.at(-1)).toBe("QUIT");
    const [handler] = handlers;
    expect(handler && (await send(handler))).toEqual({ kind: "sent" });
    expect(server.connections).toBe(2);
  });

  test("ends with the last handler", async () => {
    const server = await sink();
    const using = services(config(server.port));
    const [first, second] = [open("smtp", {}, using), open("smtp", {}, using)];
    await send(first);
    await first.close?.();
    expect(await send(second)).toEqual({ kind: "sent" });
    expect(server.connections).toBe(1);
    await second.close?.();
    await server.until(() => server.ended === 1);
    expect(server.commands.at(-1)).toBe("QUIT");
  });

  test("is another one after the section was changed", async () => {
    const [before, after] = [await sink(), await sink()];
    const sections: Record<string, unknown> = { ...config(before.port) };
    const handler = open("smtp", {}, services(sections));
    undo.push(() => handler.close?.());
    await send(handler);
    sections["smtp"] = config(after.port).smtp;
    expect(await send(handler)).toEqual({ kind: "sent" });
    await before.until(() => before.ended === 1);
    expect([before.mails.length, after.mails.length]).toEqual([1, 1]);
  });

  test("that the server ended while idle is replaced", async () => {
    const server = await sink();
    const { handler } = mailer(server.port);
    await send(handler);
    server.dropConnections();
    await server.until(() => server.ended === 1);
    // The client sees the end a moment after the server; the first mail may still meet the old connection.
    let outcome = await send(handler);
    if (outcome.kind === "retry") outcome = await send(handler);
    expect(outcome).toEqual({ kind: "sent" });
    expect(server.connections).toBe(2);
  });

  test("after a refused mail is a fresh one", async () => {
    const server = await sink();
    const { handler } = mailer(server.port);
    server.answer = (line) => (line.startsWith("MAIL") ? "451 later" : undefined);
    expect(await send(handler)).toEqual({ kind: "retry", error: "smtp: 451 later" });
    server.answer = () => undefined;
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(server.connections).toBe(2);
  });
});

describe("TLS and AUTH", () => {
  test("STARTTLS is used when offered, then the user is named", async () => {
    const server = await sink({ tls: TLS, accounts: { kap: "s3cret" } });
    const { handler } = mailer(server.port, {
      ...{ host: "localhost", "no-verify": true, username: "kap", password: "s3cret" },
    });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(server.mails[0]).toMatchObject({ secure: true, user: "kap" });
    expect(server.commands.slice(0, 4)).toEqual(["EHLO", "STARTTLS", "EHLO", "AUTH PLAIN"]);
  });

  test("a certificate of nobody is refused unless no-verify says otherwise", async () => {
    const server = await sink({ tls: TLS });
    const outcome = await send(mailer(server.port, { host: "localhost" }).handler);
    expect(outcome).toEqual({ kind: "retry", error: "smtp: TLS: self-signed certificate" });
    expect(server.mails).toEqual([]);
  });

  test("implicit TLS speaks TLS from the first byte", async () => {
    const server = await sink({ tls: TLS, mode: "implicit" });
    const settings: SmtpSettings = {
      ...{ host: "localhost", port: server.port, implicitTls: true, insecureSkipVerify: true },
      ...{ username: "", password: "", idleMs: IDLE_MS },
    };
    const client = new SmtpClient(settings, new VirtualClock());
    undo.push(() => client.close());
    const mail = { from: "a@x.org", to: ["b@x.org"], subject: "s", html: "h", id: "1" };
    await client.send(mail, new AbortController().signal);
    expect(server.mails[0]).toMatchObject({ secure: true, from: "a@x.org" });
    expect(server.commands).not.toContain("STARTTLS");
  });

  test("LOGIN is used where PLAIN is not offered", async () => {
    const server = await sink({ accounts: { kap: "s3cret" }, auth: "LOGIN" });
    const { handler } = mailer(server.port, { username: "kap", password: "s3cret" });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(server.mails[0]?.user).toBe("kap");
  });

  test("a wrong password is final, and no text holds it", async () => {
    const server = await sink({ accounts: { kap: "right" } });
    const { handler } = mailer(server.port, { username: "kap", password: "s3cret" });
    expect(await send(handler)).toEqual({
      kind: "rejected",
      error: "smtp: 535 5.7.8 wrong password ***",
    });
  });

  test("a password check that is out of order is worth repeating", async () => {
    const server = await sink({ accounts: { kap: "s3cret" } });
    server.answer = (line) => (line.startsWith("AUTH") ? "454 later" : undefined);
    const { handler } = mailer(server.port, { username: "kap", password: "s3cret" });
    expect(await send(handler)).toEqual({ kind: "retry", error: "smtp: 454 later" });
  });

  test("a server without AUTH gets the mail without a password", async () => {
    const server = await sink();
    const { handler } = mailer(server.port, { username: "kap", password: "s3cret" });
    expect(await send(handler)).toEqual({ kind: "sent" });
    expect(server.commands).toEqual(["EHLO", "MAIL", "RCPT", "DATA"]);
  });

  test("a password does not leave this machine unencrypted", async () => {
    const server = await sink({ accounts: { kap: "s3cret" }, host: "127.0.0.2" });
    const { handler } = mailer(server.port, {
      ...{ host: "127.0.0.2", username: "kap", password: "s3cret" },
    });
    const outcome = await send(handler);
    expect(outcome).toEqual({
      kind: "rejected",
      error: "smtp: the server offers no TLS, and the password is not sent unencrypted",
    });
    expect(server.commands).toEqual(["EHLO"]);
  });
});

describe("outcomes", () => {
  const at = (verb: string, said: SinkAnswer) => (line: string) =>
    line.toUpperCase().startsWith(verb) ? said : undefined;

  test.each([
    ["greeting", "421 busy", "retry", "421 busy"],
    ["greeting", "554 go away", "rejected", "554 go away"],
    ["greeting", "close", "retry", "smtp: "],
    ["MAIL", "450 later", "retry", "450 later"],
    ["MAIL", "530 authentication required", "rejected", "530 authentication required"],
    ["MAIL", "close", "retry", "smtp: "],
    ["RCPT", "451 greylisted", "retry", "451 greylisted"],
    ["RCPT", "550 no such user", "rejected", "550 no such user"],
    ["DATA", "452 disk full", "retry", "452 disk full"],
    ["DATA", "503 sequence", "retry", "503 sequence"],
    [".", "421 shutting down", "retry", "421 shutting down"],
    [".", "552 too large", "rejected", "552 too large"],
    [".", "554 spam", "rejected", "554 spam"],
    [".", "close", "retry", "smtp: "],
  ])("%s answered with %p is %s", async (verb, said, kind, text) => {
    for (const extensions of [[], ["PIPELINING"]]) {
      const server = await sink({ extensions });
      const { handler } = mailer(server.port);
      server.answer =
        verb.length > 4 ? (line) => (line === verb ? said : undefined) : at(verb, said);
      const outcome = await send(handler);
      expect(outcome.kind).toBe(kind === "retry" ? "retry" : "rejected");
      expect(outcome.kind === "sent" ? "" : outcome.error).toContain(text);
      expect(server.mails).toEqual([]);
    }
  });

  test("one refused recipient of two is final, because the other has the mail", async () => {
    const server = await sink();
    server.answer = (line) => (line.includes("b@x.org") ? "451 later" : undefined);
    const { handler } = mailer(server.port, { to: ["a@x.org", "b@x.org"] });
    expect(await send(handler)).toEqual({
      kind: "rejected",
      error: "smtp: accepted for 1 recipients, refused for b@x.org: 451 later",
    });
    expect(server.mails[0]?.to).toEqual(["a@x.org"]);
  });

  test("a mail larger than the server takes is final", async () => {
    const server = await sink();
    const outcome = await send(mailer(server.port).handler, { details: "x".repeat(1_000_001) });
    expect(outcome).toMatchObject({ kind: "rejected" });
  });

  test("a refused connection is worth repeating", async () => {
    const { handler } = mailer(freePort());
    expect(await send(handler)).toEqual({ kind: "retry", error: "smtp: connection refused" });
  });

  test("a host that is not there is worth repeating", async () => {
    const { handler } = mailer(25, { host: "no-such-host.invalid" });
    expect(await send(handler)).toMatchObject({ kind: "retry" });
  });

  test("a hanging server is left when the signal fires, and mails behind it go on", async () => {
    const server = await sink();
    let hangs = true;
    server.answer = (line) => (hangs && line === "." ? "hang" : undefined);
    const { handler } = mailer(server.port);
    const abort = new AbortController();
    const first = send(handler, {}, abort.signal);
    await server.until(() => server.commands.at(-1) === "DATA");
    const second = send(handler);
    hangs = false;
    server.answer = (line) => (line === "." && server.connections === 1 ? "hang" : undefined);
    abort.abort(new Error("no answer within 30s"));
    expect(await first).toEqual({ kind: "retry", error: "no answer within 30s" });
    expect(await second).toEqual({ kind: "sent" });
    expect(server.connections).toBe(2);
  });

  test("a mail given up while it waits for its turn is not sent", async () => {
    const server = await sink();
    server.answer = (line) => (line === "." ? "hang" : undefined);
    const { handler } = mailer(server.port);
    const [first, second] = [new AbortController(), new AbortController()];
    const sends = [send(handler, {}, first.signal), send(handler, {}, second.signal)];
    await server.until(() => server.commands.at(-1) === "DATA");
    second.abort(new Error("cancelled"));
    expect(await sends[1]).toEqual({ kind: "retry", error: "cancelled" });
    first.abort(new Error("cancelled"));
    await sends[0];
    expect(server.commands.filter((verb) => verb === "MAIL").length).toBe(1);
  });

  test("an aborted send does not connect", async () => {
    const server = await sink();
    const aborted = AbortSignal.abort(new Error("no time"));
    const outcome = await send(mailer(server.port).handler, {}, aborted);
    expect(outcome).toEqual({ kind: "retry", error: "no time" });
    expect(server.connections).toBe(0);
  });

  test("a section that is off says so", async () => {
    const off = { kind: "rejected", error: "service is not enabled" } as const;
    expect(await send(open("smtp", {}, services()))).toEqual(off);
    expect(await send(mailer(1, { enabled: false }).handler)).toEqual(off);
  });
});

test("the self-test sends its subject and body to the section's recipients", async () => {
  const server = await sink();
  const [run] = handlerTests([smtp], services(config(server.port)));
  expect(run?.options).toEqual({
    ...{ to: ["ops@example.com"], subject: "test subject", body: "test body" },
  });
  expect(await run?.run(run.options)).toBeUndefined();
  expect(server.mails[0]?.text).toContain("Subject: test subject\r\n");
  expect(server.mails[0]?.text).toEndWith("\r\n\r\ntest body\r\n");
  const [off] = handlerTests([smtp], services());
  expect(await off?.run(off.options)).toBe("service is not enabled");
});
