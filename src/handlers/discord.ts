/** `discord`: a message with an embed, through a workspace's webhook. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { CRITICAL, type Level, WARNING } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { formatTime } from "#lib/time.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { optionTemplate, renderOption, templateProblem } from "./option-template.ts";
import { sendsEvent, testLevel, testTime } from "./self-test.ts";
import { firstText, jsonBody, workspaceHandler } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";
import { tlsSettings } from "./tls-settings.ts";

const options = optionsSchema({
  workspace: textOption("Which [[discord]] element; default the default one."),
  username: textOption("Name shown; default the section's."),
  "avatar-url": textOption("Picture shown; default the section's."),
  "embed-title": textOption("Template of the embed's title."),
});

const PROPERTIES: TextProperties = {
  workspace: ["workspace", "Which [[discord]] element."],
  username: ["username", "Name shown."],
  avatarURL: ["avatar-url", "Picture shown."],
  embedTitle: ["embed-title", "Template of the embed's title."],
};

export const discord = defineHandler<Static<typeof options>>({
  kind: "discord",
  doc: "Posts the message to a Discord channel.",
  options,
  external: true,
  test: {
    options: () => ({
      workspace: "",
      message: "test discord message",
      level: "INFO",
      username: "Kapacitor",
      "avatar-url":
        "https://influxdata.github.io/branding/img/downloads/influxdata-logo--symbol--pool-alpha.png",
      "embed-title": "Kapacitor Alert",
      "time-val": "1970-01-01T00:00:01Z",
    }),
    run: sendsEvent((given) => ({
      options: {
        workspace: given.text("workspace"),
        username: given.text("username"),
        "avatar-url": given.text("avatar-url"),
        "embed-title": given.text("embed-title"),
      },
      event: {
        message: given.text("message"),
        level: testLevel(given.text("level")),
        time: testTime(given.text("time-val")),
      },
    })),
  },
  globalSection: "discord",
  tick: {
    property: handlerProperty(
      "discord",
      "*pipeline.DiscordHandler",
      "Sends events to Discord.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  check: (given) => templateProblem({ "embed-title": given["embed-title"] }),
  open(given, services) {
    const title = optionTemplate("embed-title", given["embed-title"] ?? "");
    const workspace = given.workspace ?? "";
    return workspaceHandler(services, { section: "discord", workspace }, (section, delivery) => {
      const { event } = delivery;
      const tls = tlsSettings(section);
      // Whole seconds: Discord shows no more.
      const second = event.time.ms - (((event.time.ms % 1000) + 1000) % 1000);
      return {
        service: "Discord",
        accepts: [204],
        url: section.text("url"),
        headers: JSON_HEADERS,
        body: jsonBody({
          avatar_url: firstText(given["avatar-url"], section.text("avatar-url")),
          embeds: [
            {
              color: colorOf(event.level),
              title: renderOption(title, delivery),
              description: event.message,
              timestamp: section.flag("timestamp") ? formatTime(second, 0) : "",
            },
          ],
          username: firstText(given.username, section.text("username")),
        }),
        ...(tls === undefined ? {} : { tls }),
      };
    });
  },
});

function colorOf(level: Level): number {
  return level === CRITICAL ? 16_342_867 : level === WARNING ? 16_027_960 : 8_021_490;
}
