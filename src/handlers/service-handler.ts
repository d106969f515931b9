/**
 * The frame of kinds that send one HTTP request per event as their configuration section says: they only build
 * the request. A switched-off section, a template that does not fit and values JSON cannot hold are answered here.
 */

import type { Delivery, Handler, HandlerServices } from "#alert/handler.ts";
import type { Outcome } from "#alert/outcome.ts";
import { encodeJson, JsonValueError, sorted } from "#lib/json.ts";
import { type HttpRequest, sendHttp } from "./http-sender.ts";
import { rejectingTemplateErrors } from "./option-template.ts";
import {
  enabledSection,
  NOT_ENABLED,
  namedElement,
  type SectionReader,
  sectionElements,
} from "./section-reader.ts";

/** The request for an event, or why there is none. */
export type BuildRequest = (section: SectionReader, delivery: Delivery) => HttpRequest | Outcome;

/** A kind with a single section. */
export function serviceHandler(
  services: HandlerServices,
  section: string,
  build: BuildRequest,
): Handler {
  return {
    send: (delivery, signal) =>
      sendBuilt(services, signal, () => {
        const found = enabledSection(services, section);
        return found === undefined ? NOT_ENABLED : build(found, delivery);
      }),
  };
}

/** A kind with a list of workspaces, one of which a handler names or which is the default. */
export function workspaceHandler(
  services: HandlerServices,
  { section, workspace }: { readonly section: string; readonly workspace: string },
  build: BuildRequest,
): Handler {
  return {
    send: (delivery, signal) =>
      sendBuilt(services, signal, () => {
        const found = namedElement(sectionElements(services, section), "workspace", workspace);
        if (found === undefined && workspace !== "") {
          return { kind: "rejected", error: `unknown workspace ${JSON.stringify(workspace)}` };
        }
        return found?.flag("enabled") === true ? build(found, delivery) : NOT_ENABLED;
      }),
  };
}

function sendBuilt(
  services: HandlerServices,
  signal: AbortSignal,
  build: () => HttpRequest | Outcome,
): Promise<Outcome> {
  return rejectingTemplateErrors(async () => {
    try {
      const built = build();
      return "kind" in built ? built : await sendHttp(services, built, signal);
    } catch (error) {
      if (error instanceof JsonValueError) return { kind: "rejected", error: error.message };
      throw error;
    }
  });
}

/** A JSON body with keys in the order given and a final newline; `undefined` members are left out. */
export function jsonBody(value: object): string {
  return `${encodeJson(value)}\n`;
}

/** A JSON body with the outer keys sorted, as Go writes maps. */
export function sortedJsonBody(value: Readonly<Record<string, unknown>>): string {
  return `${encodeJson(sorted(value))}\n`;
}

/** Joins a base URL and a path with exactly one slash. */
export function joinUrl(base: string, path: string): string {
  return `${base.replace(/\/+$/, "")}/${path}`;
}

/** The first text that is not empty. */
export function firstText(...texts: readonly (string | undefined)[]): string {
  return texts.find((text) => text !== undefined && text !== "") ?? "";
}

/** The first list that has members. */
export function firstList(...lists: readonly (readonly string[] | undefined)[]): readonly string[] {
  return lists.find((list) => list !== undefined && list.length > 0) ?? [];
}

/** Cuts to a number of UTF-8 bytes without splitting a character. */
export function cutBytes(text: string, bytes: number): string {
  const all = new TextEncoder().encode(text);
  if (all.length <= bytes) return text;
  let end = bytes;
  while (end > 0 && ((all[end] ?? 0) & 0xc0) === 0x80) end--;
  return new TextDecoder().decode(all.subarray(0, end));
}

/** The address of this daemon that receivers show as the sender's. */
export function clientUrl(services: HandlerServices): string {
  return services.server.apiUrl ?? `http://${services.server.hostname}:9092/kapacitor/v1`;
}
