/** `service-tests`: lets the server try its connections to other services. Source: cli §7. */

import { type JsonRecord, pathPart, record, records, text } from "../api.ts";
import type { Command, CommandContext } from "../command.ts";
import { left, report } from "../output.ts";

export const serviceTests: Command = {
  name: "service-tests",
  summary: "Let the server try its connections to other services.",
  help: `Usage: kapacitor service-tests NAME...

Lets the server try each service whose name matches one of the patterns.

Examples:
  $ kapacitor service-tests slack
  $ kapacitor service-tests '*'`,
  json: '{"services": [{"name", "success", "message"}]}',
  flags: {},
  words: { each: ["service-tests"], rest: "service-tests" },
  run: testServices,
};

async function testServices(patterns: readonly string[], context: CommandContext) {
  const { api } = context;
  if (patterns.length === 0) {
    throw new Error("must provide at least one service name or pattern.");
  }
  const line = (name: string, success: string, message: string) =>
    `${left(name, 20)}${left(success, 10)}${message}`;
  const lines = [line("Service", "Success", "Message")];
  const services: JsonRecord[] = [];
  for (const pattern of patterns) {
    const found = records(await api.get("/service-tests", { pattern }), "services");
    for (const service of found) {
      const name = text(service, "name");
      const options = service["options"] ?? {};
      const result = record(await api.post(`/service-tests/${pathPart(name)}`, options));
      lines.push(line(name, text(result, "success"), text(result, "message")));
      services.push({ name, ...result });
    }
  }
  report(context, { services }, lines);
}
