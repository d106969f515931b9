/**
 * Known clients against the compiled daemon, byte for byte: the Go client library and with it the original's
 * command line and Chronograf, Telegraf as output and input, InfluxDB's subscriber.
 */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Member, until, write } from "../../scripts/lab.ts";
import {
  bodyOf,
  bytesOf,
  exchange,
  type RawCase,
  readRaw,
  shownAnswer,
  writeRaw,
} from "./clients/raw.ts";

/** What a recording or replay that is asked for must have come to, ms. */
const END_MS_MAX = 10_000;

async function answerTo(member: Member, item: RawCase) {
  const isStream = item.title.endsWith("(stream)");
  const ask = async () => shownAnswer(await exchange(member.apiPort, bytesOf(item), isStream));
  let shown = await ask();
  if (item.title.endsWith("(ended)"))
    await until(`${item.title}: an end`, END_MS_MAX, async () => {
      shown = await ask();
      return !shown.answer.includes('"status": "running"');
    });
  if (!item.title.endsWith("(first line)")) return shown;
  return { head: shown.head, answer: shown.answer.split("\n")[0] ?? "" };
}

const UPDATING = process.env["UPDATE_TRANSCRIPTS"] === "1";
const transcripts = readRaw(join(import.meta.dir, "clients"));

for (const transcript of transcripts) {
  describe(basename(transcript.file), () => {
    let directory = "";
    let member: Member;

    beforeAll(async () => {
      directory = mkdtempSync(join(tmpdir(), "kapacitor-clients-"));
      const place = { name: "clients", host: "127.0.0.1", directory };
      member = await Member.create({ ...place, config: '[alerta]\n  token = "t"\n' });
    }, 30_000);

    afterAll(async () => {
      await member.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
      if (UPDATING) writeRaw(transcript);
    });

    for (const item of transcript.cases) {
      test(item.title, async () => {
        const { head, answer } = await answerTo(member, item);
        if (UPDATING) Object.assign(item, { answerHead: head, answer });
        expect([...head, answer].join("\n")).toBe([...item.answerHead, item.answer].join("\n"));
      });
    }
  });
}

test("a page of Chronograf follows a rule's log", async () => {
  const directory = mkdtempSync(join(tmpdir(), "kapacitor-clients-"));
  const member = await Member.create({ name: "clients", host: "127.0.0.1", directory });
  try {
    const script = "stream|from().measurement('cpu')|log()";
    const dbrps = [{ db: "telegraf", rp: "autogen" }];
    const body = JSON.stringify({ id: "rule", script, dbrps, status: "enabled" });
    await fetch(`${member.url}/kapacitor/v1/tasks`, { method: "POST", body });
    const head = "GET /kapacitor/v1preview/logs?task=rule HTTP/1.1\r\nHost: x\r\n";
    const asking = Buffer.from(`${head}Accept: application/json\r\n\r\n`);
    let isOpen = true;
    const answered = exchange(member.apiPort, asking, true).finally(() => {
      isOpen = false;
    });
    // The session is open when it has an entry.
    while (isOpen) await write(member.url, "cpu v=1 1\n");
    const { head: headers, body: entry } = await answered;
    expect(headers).toContain("Content-Type: application/json");
    expect(JSON.parse(entry.toString().split("\n")[0] ?? "")).toMatchObject({
      ...{ lvl: "info", service: "kapacitor", task_master: "main", task: "rule", node: "log2" },
    });
  } finally {
    await member.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  }
}, 30_000);

test("the lengths that transcripts announce are those of their bodies", () => {
  for (const item of transcripts.flatMap(({ cases }) => cases)) {
    const announced = item.head.find((line) => line.startsWith("Content-Length: "));
    if (announced === undefined) continue;
    expect([item.title, announced]).toEqual([item.title, `Content-Length: ${bodyOf(item).length}`]);
  }
});

/**
 * Calls of the Go client and the only codes it takes; with any other it reports an error. A call's transcripts
 * begin with its name; what follows a comma is an answer that the client is meant to report.
 */
const ACCEPTED: Readonly<Record<string, readonly number[]>> = {
  Ping: [204],
  CreateTask: [200],
  UpdateTask: [200],
  Task: [200],
  ListTasks: [200],
  DeleteTask: [204],
  TaskOutput: [200],
  CreateTemplate: [200],
  UpdateTemplate: [200],
  Template: [200],
  ListTemplates: [200],
  DeleteTemplate: [204],
  RecordStream: [201],
  RecordBatch: [201],
  RecordQuery: [201],
  Recording: [200, 202],
  ListRecordings: [200],
  DeleteRecording: [204],
  CreateReplay: [201],
  ReplayBatch: [201],
  ReplayQuery: [201],
  Replay: [200, 202],
  ListReplays: [200],
  DeleteReplay: [204],
  ConfigSections: [200],
  ConfigSection: [200],
  ConfigElement: [200],
  ConfigUpdate: [204],
  ListTopics: [200],
  Topic: [200],
  ListTopicEvents: [200],
  TopicEvent: [200],
  DeleteTopic: [204],
  ListTopicHandlers: [200],
  TopicHandler: [200],
  CreateTopicHandler: [200],
  PatchTopicHandler: [200],
  ReplaceTopicHandler: [200],
  DeleteTopicHandler: [204],
  ListServiceTests: [200],
  ServiceTest: [200],
  DoServiceTest: [200],
  ListStorage: [200],
  DoStorageAction: [204],
  Backup: [200],
  LogLevel: [204],
  DebugVars: [200],
  Logs: [200],
};

const goCalls: readonly RawCase[] = (
  transcripts.find(({ file }) => basename(file) === "go-client.txt")?.cases ?? []
).filter(({ title }) => !title.startsWith("setup: "));
const statusOf = ({ answerHead }: RawCase): number => Number(answerHead[0]?.split(" ")[1]);
const callOf = ({ title }: RawCase): string => /^\w+/.exec(title)?.[0] ?? "";

test.each(Object.entries(ACCEPTED))(
  "the Go client's call %s has answers it takes",
  (call, codes) => {
    const answers = goCalls.filter((item) => callOf(item) === call && !item.title.includes(","));
    expect(answers.length).toBeGreaterThan(0);
    for (const item of answers) expect(codes).toContain(statusOf(item));
  },
);

test("what the Go client is to report has an `error`, and is none of the codes it takes", () => {
  const reported = goCalls.filter(({ title }) => title.includes(","));
  expect(reported.length).toBeGreaterThan(0);
  for (const item of reported) {
    expect(ACCEPTED[callOf(item)]).not.toContain(statusOf(item));
    expect(typeof JSON.parse(item.answer).error).toBe("string");
  }
});

test("every request of the Go client is one of its calls and says that it is this client", () => {
  for (const item of goCalls) {
    expect(Object.keys(ACCEPTED)).toContain(callOf(item));
    expect(item.head).toContain("User-Agent: KapacitorClient");
  }
});
