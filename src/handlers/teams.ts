/** `teams`: a message card in a Microsoft Teams channel. */

import type { Static } from "@sinclair/typebox";
import type { AlertEvent } from "#alert/event.ts";
import { defineHandler } from "#alert/handler.ts";
import { CRITICAL, type Level, levelName, WARNING } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { encodeJson } from "#lib/json.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { cutBytes, firstText, serviceHandler } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

/** Bytes of the summary, which phones show as the notification. */
const SUMMARY_BYTES_MAX = 70;

const options = optionsSchema({
  "channel-url": textOption("The channel's webhook; default the section's."),
});

const PROPERTIES: TextProperties = {
  channelURL: ["channel-url", "The channel's webhook."],
};

export const teams = defineHandler<Static<typeof options>>({
  kind: "teams",
  doc: "Posts a card to a Microsoft Teams channel.",
  options,
  external: true,
  test: {
    options: () => ({
      channel_url: "",
      alert_topic: "test kapacitor alert topic",
      alert_id: "foo/bar/bat",
      message: "test teams message",
      level: "CRITICAL",
    }),
    run: sendsEvent((given) => ({
      options: { "channel-url": given.text("channel_url") },
      event: {
        topic: given.text("alert_topic"),
        id: given.text("alert_id"),
        message: given.text("message"),
        level: testLevel(given.text("level")),
      },
    })),
  },
  globalSection: "teams",
  tick: {
    property: handlerProperty(
      "teams",
      "*pipeline.TeamsHandler",
      "Sends events to Microsoft Teams.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    serviceHandler(services, "teams", (section, { event }) => {
      const title = titleOf(event);
      const summary = `${cutBytes(`${title} - ${event.message}`, SUMMARY_BYTES_MAX)}...`;
      return {
        service: "Teams",
        accepts: [200, 204],
        url: firstText(given["channel-url"], section.text("channel-url")),
        headers: JSON_HEADERS,
        body: encodeJson({
          "@type": "MessageCard",
          "@context": "http://schema.org/extensions",
          title,
          text: event.message,
          summary,
          themeColor: colorOf(event.level),
        }),
      };
    }),
});

function titleOf({ id, topic, level }: AlertEvent): string {
  const subject = firstText(id, topic);
  return subject === "" ? levelName(level) : `${levelName(level)}: [${subject}]`;
}

function colorOf(level: Level): string {
  return level === CRITICAL ? "CC4A31" : level === WARNING ? "FFA533" : "34CC25";
}
