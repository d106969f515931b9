/** Which server, and how: `-url` and `-skipVerify`, else the environment, else the default. Source: cli §1. */

import { parseGoBool } from "#config/go-values.ts";
import { ApiClient } from "./api.ts";
import type { CliEnvironment } from "./environment.ts";
import type { FlagSpec, Flags } from "./flags.ts";

export const CONNECTION_FLAGS: FlagSpec = { url: "text", skipVerify: "boolean" };

const DEFAULT_URL = "http://localhost:9092";

/** Throws `UrlError`, or `Error` when `KAPACITOR_UNSAFE_SSL` is not a boolean. */
export function connect(
  flags: Flags,
  environment: CliEnvironment,
  limits: { readonly requestTimeMaxMs?: number } = {},
): ApiClient {
  const { variables } = environment;
  const url = flags.text("url") ?? (variables["KAPACITOR_URL"] || DEFAULT_URL);
  return new ApiClient({
    url,
    skipVerify: flags.isSet("skipVerify") || unsafe(variables),
    ...limits,
  });
}

function unsafe(variables: CliEnvironment["variables"]): boolean {
  const text = variables["KAPACITOR_UNSAFE_SSL"] ?? "";
  if (text === "") return false;
  const value = parseGoBool(text);
  if (value === undefined) {
    throw new Error(`KAPACITOR_UNSAFE_SSL must be true or false, got ${JSON.stringify(text)}`);
  }
  return value;
}
