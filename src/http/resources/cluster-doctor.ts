/**
 * `/cluster/doctor`: a check-up of the cluster by all its members at once. Used by `kapacitorctl doctor`. Ours.
 */

import type { ClusterDoctor, DoctorReport } from "#cluster/doctor/report.ts";
import { shownStatus } from "#cluster/shown-status.ts";
import { answerJson } from "../answer.ts";
import { notBuilt } from "../errors.ts";
import { type Call, defineResource } from "../route.ts";
import type { HttpServices } from "../services.ts";

export const clusterDoctor = defineResource({
  name: "cluster-doctor",
  doc: "Check-ups of the ways between members.",
  routes: [
    {
      method: "GET",
      path: "/cluster/doctor",
      summary:
        "Has every member check names, gossip (UDP, TCP), RPC and API of every other, and clocks, versions, keys and " +
        "cluster IDs; answers within about six seconds with all checks, and with problems and what to do about them.",
      answers: {
        200:
          '{"id", "local-member-id", "ok", "members": [{"id", "api-address", "status", "answered", "version"}], ' +
          '"checks": [{"from", "to", "check", "address", "ok", "ms", "fault", "detail"}], ' +
          '"clocks": [{"from", "to", "offset-ms", "error-ms"}], ' +
          '"problems": [{"from", "to", "check", "problem", "advice"}]}; ok when there is no problem',
        501: "error",
      },
      answer: examine,
    },
  ],
});

async function examine(_call: Call, services: HttpServices): Promise<Response> {
  return answerJson(reportJson(await doctorOf(services).examine()));
}

function doctorOf({ doctor }: HttpServices): ClusterDoctor {
  if (doctor === undefined) throw notBuilt("check-ups are");
  return doctor;
}

function reportJson({ clusterId, localId, members, checks, clocks, problems }: DoctorReport) {
  return {
    id: clusterId,
    "local-member-id": localId,
    ok: problems.length === 0,
    members: members.map(({ id, apiAddress, status, answered, version }) => ({
      id,
      "api-address": apiAddress,
      status: shownStatus(status),
      answered,
      version,
    })),
    checks: checks.map(({ from, to, check, address, ms, fault, detail }) => ({
      from,
      to,
      check,
      address,
      ok: fault === undefined,
      ms: rounded(ms),
      fault: fault ?? "",
      detail,
    })),
    clocks: clocks.map(({ from, to, offsetMs, errorMs }) => ({
      from,
      to,
      "offset-ms": rounded(offsetMs),
      "error-ms": rounded(errorMs),
    })),
    problems,
  };
}

/** To a tenth of a millisecond. */
function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}
