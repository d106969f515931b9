/** `hipchat`: a room notification. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { CRITICAL, type Level, WARNING } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sectionElements } from "./section-reader.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstText, joinUrl, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  room: textOption("Room; default the section's."),
  token: textOption("Token; default the section's."),
});

const PROPERTIES: TextProperties = {
  room: ["room", "Room."],
  token: ["token", "Token."],
};

export const hipchat = defineHandler<Static<typeof options>>({
  kind: "hipchat",
  doc: "Notifies a HipChat room.",
  options,
  external: true,
  test: {
    options: (services) => ({
      room: sectionElements(services, "hipchat")[0]?.text("room") ?? "",
      message: "test hipchat message",
      level: "CRITICAL",
    }),
    run: sendsEvent((given) => ({
      options: { room: given.text("room") },
      event: { message: given.text("message"), level: testLevel(given.text("level")) },
    })),
  },
  globalSection: "hipchat",
  tick: {
    property: handlerProperty(
      "hipChat",
      "*pipeline.HipChatHandler",
      "Sends events to HipChat.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    serviceHandler(services, "hipchat", (section, { event }) => {
      const room = encodeURIComponent(firstText(given.room, section.text("room")));
      const token = firstText(given.token, section.text("token"));
      const query = `auth_token=${encodeURIComponent(token)}`;
      return {
        service: "HipChat",
        accepts: [200, 204],
        url: `${joinUrl(section.text("url"), room)}/notification?${query}`,
        headers: JSON_HEADERS,
        body: sortedJsonBody({
          color: colorOf(event.level),
          from: "kapacitor",
          message: event.message,
          notify: true,
        }),
        secrets: [token],
      };
    }),
});

function colorOf(level: Level): string {
  return level === CRITICAL ? "red" : level === WARNING ? "yellow" : "green";
}
