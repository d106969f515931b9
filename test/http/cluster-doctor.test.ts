/** `/cluster/doctor`: findings as JSON, and the answer of a daemon that has no check-ups. */

import { expect, test } from "bun:test";
import type { DoctorReport } from "#cluster/doctor/report.ts";
import type { MemberId } from "#cluster/ports.ts";
import { createApp } from "#http/app.ts";
import { fakeServices } from "./fake-services.ts";

const [A, B] = ["a", "b"] as [MemberId, MemberId];

async function answer(report: DoctorReport | undefined) {
  const services = fakeServices();
  const doctor = report === undefined ? undefined : { examine: async () => report };
  const app = createApp({ ...services, doctor });
  const response = await app.handle(new Request("http://localhost/kapacitor/v1/cluster/doctor"));
  return { status: response.status, body: await response.json() };
}

test("members, checks, clocks and problems, with words and numbers for people", async () => {
  const problem = { from: "x", to: "y", check: "rpc", problem: "refused", advice: "open it" };
  const found = await answer({
    clusterId: "c1",
    localId: A,
    members: [{ id: B, apiAddress: "b:9092", status: "dead", answered: false, version: "1" }],
    checks: [
      { from: A, to: B, check: "names", address: "b", ms: 0.123, detail: "" },
      { from: A, to: B, check: "rpc", address: "b:9091", ms: 2, fault: "refused", detail: "no" },
    ],
    clocks: [{ from: A, to: B, offsetMs: -12.345, errorMs: 1 }],
    problems: [problem],
  });
  expect(found).toEqual({
    status: 200,
    body: {
      id: "c1",
      "local-member-id": A,
      ok: false,
      members: [
        { id: B, "api-address": "b:9092", status: "failed", answered: false, version: "1" },
      ],
      checks: [
        { from: A, to: B, check: "names", address: "b", ok: true, ms: 0.1, fault: "", detail: "" },
        {
          ...{ from: A, to: B, check: "rpc", address: "b:9091" },
          ...{ ok: false, ms: 2, fault: "refused", detail: "no" },
        },
      ],
      clocks: [{ from: A, to: B, "offset-ms": -12.3, "error-ms": 1 }],
      problems: [problem],
    },
  });
});

test("nothing wrong is ok; a daemon without check-ups says so", async () => {
  const empty = { clusterId: "c1", localId: A, members: [], checks: [], clocks: [], problems: [] };
  expect((await answer(empty)).body).toMatchObject({ ok: true });
  expect(await answer(undefined)).toMatchObject({
    status: 501,
    body: { error: "check-ups are not available yet" },
  });
});
