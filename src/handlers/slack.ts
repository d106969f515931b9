/** `slack`: a message with a coloured attachment in a channel, through a workspace's webhook. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { CRITICAL, type Level, WARNING } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { namedElement, sectionElements } from "./section-reader.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstText, jsonBody, workspaceHandler } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";
import { tlsSettings } from "./tls-settings.ts";

const options = optionsSchema({
  workspace: textOption("Which [[slack]] element; default the default one."),
  channel: textOption("Channel or user; default the section's."),
  username: textOption("Name shown; default the section's."),
  "icon-emoji": textOption("Emoji shown; default the section's."),
});

const PROPERTIES: TextProperties = {
  workspace: ["workspace", "Which [[slack]] element."],
  channel: ["channel", "Channel or user."],
  username: ["username", "Name shown."],
  iconEmoji: ["icon-emoji", "Emoji shown."],
};

export const slack = defineHandler<Static<typeof options>>({
  kind: "slack",
  doc: "Posts the message to a Slack channel.",
  options,
  external: true,
  test: {
    options: (services) => {
      const section = namedElement(sectionElements(services, "slack"), "workspace", "");
      return {
        workspace: section?.text("workspace") ?? "",
        channel: section?.text("channel") ?? "",
        message: "test slack message",
        level: "CRITICAL",
        username: section?.text("username") ?? "",
        "icon-emoji": section?.text("icon-emoji") ?? "",
      };
    },
    run: sendsEvent((given) => ({
      options: {
        workspace: given.text("workspace"),
        channel: given.text("channel"),
        username: given.text("username"),
        "icon-emoji": given.text("icon-emoji"),
      },
      event: { message: given.text("message"), level: testLevel(given.text("level")) },
    })),
  },
  globalSection: "slack",
  tick: {
    property: handlerProperty(
      "slack",
      "*pipeline.SlackHandler",
      "Sends events to Slack.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    workspaceHandler(
      services,
      { section: "slack", workspace: given.workspace ?? "" },
      (section, { event }) => {
        const token = section.text("token");
        const { message } = event;
        const color = colorOf(event.level);
        const tls = tlsSettings(section);
        return {
          service: "Slack",
          accepts: [200],
          url: section.text("url"),
          headers: {
            ...JSON_HEADERS,
            ...(token === "" ? {} : { Authorization: `Bearer ${token}` }),
          },
          body: jsonBody({
            attachments: [{ fallback: message, color, text: message, mrkdwn_in: ["text"] }],
            channel: firstText(given.channel, section.text("channel")),
            icon_emoji: firstText(given["icon-emoji"], section.text("icon-emoji")),
            text: "",
            username: firstText(given.username, section.text("username")),
          }),
          secrets: [token],
          ...(tls === undefined ? {} : { tls }),
        };
      },
    ),
});

function colorOf(level: Level): string {
  return level === CRITICAL ? "danger" : level === WARNING ? "warning" : "good";
}
