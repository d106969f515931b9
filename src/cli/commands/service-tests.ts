/** `service-tests`: lets the server try its connections to other services. Source: cli §7. */

import { pathPart, record, records, text } from "../api.ts";
import type { Command, CommandContext } from "../command.ts";
import { left } from "../output.ts";

export const serviceTests: Command = {
  name: "service-tests",
  summary: "Let the server try its connections to other services.",
  help: `Usage: kapacitor service-tests NAME...

Lets the server try each service whose name matches one of the patterns.

Examples:
  $ kapacitor service-tests slack
  $ kapacitor service-tests '*'`,
  run: testServices,
};

async function testServices(patterns: readonly string[], { api, environment }: CommandContext) {
  if (patterns.length === 0) {
    throw new Error("must provide at least one service name or pattern.");
  }
  const line = (name: string, success: string, message: string) =>
    `${left(name, 20)}${left(success, 10)}${message}\n`;
  let table = line("Service", "Success", "Message");
  for (const pattern of patterns) {
    const found = records(await api.get("/service-tests", { pattern }), "services");
    for (const service of found) {
      const name = text(service, "name");
      const options = service["options"] ?? {};
      const result = record(await api.post(`/service-tests/${pathPart(name)}`, options));
      table += line(name, text(result, "success"), text(result, "message"));
    }
  }
  environment.out(table);
}
