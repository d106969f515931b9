/** `pushover`: a push message; its priority follows the level. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import type { Level } from "#alert/level.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { sendsEvent, testLevel } from "./self-test.ts";
import { firstText, serviceHandler } from "./service-handler.ts";
import {
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  "user-key": textOption("User or group; default the section's."),
  device: textOption("One device of the user."),
  title: textOption("Title; default the application's name."),
  url: textOption("A link."),
  "url-title": textOption("The link's text."),
  sound: textOption("The sound."),
});

const PROPERTIES: TextProperties = {
  userKey: ["user-key", "User or group."],
  device: ["device", "One device of the user."],
  title: ["title", "Title."],
  uRL: ["url", "A link."],
  uRLTitle: ["url-title", "The link's text."],
  sound: ["sound", "The sound."],
};

export const pushover = defineHandler<Static<typeof options>>({
  kind: "pushover",
  doc: "Sends a Pushover message.",
  options,
  external: true,
  test: {
    options: () => ({
      ...{ "user-key": "", message: "test pushover message", device: "", title: "", url: "" },
      ...{ "url-title": "", sound: "", level: "CRITICAL" },
    }),
    run: sendsEvent((given) => ({
      options: {
        "user-key": given.text("user-key"),
        device: given.text("device"),
        title: given.text("title"),
        url: given.text("url"),
        "url-title": given.text("url-title"),
        sound: given.text("sound"),
      },
      event: { message: given.text("message"), level: testLevel(given.text("level")) },
    })),
  },
  tick: {
    property: handlerProperty(
      "pushover",
      "*pipeline.PushoverHandler",
      "Sends events to Pushover.",
      textProperties(PROPERTIES),
    ),
    optionsOf: (call) => textOptions(call, PROPERTIES),
  },
  open: (given, services) =>
    serviceHandler(services, "pushover", (section, { event }) => {
      const token = section.text("token");
      const user = firstText(given["user-key"], section.text("user-key"));
      const form = new URLSearchParams({
        token,
        user,
        message: event.message,
        priority: PRIORITIES[event.level],
      });
      const extras = {
        device: given.device,
        title: given.title,
        url: given.url,
        url_title: given["url-title"],
        sound: given.sound,
      };
      for (const [key, text] of Object.entries(extras)) {
        if (text !== undefined && text !== "") form.set(key, text);
      }
      form.sort();
      return {
        service: "Pushover",
        accepts: [200],
        url: section.text("url"),
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: form.toString(),
        secrets: [token, user],
      };
    }),
});

/** Silent for a recovery, quiet, normal, high. */
const PRIORITIES: Readonly<Record<Level, string>> = { 0: "-2", 1: "-1", 2: "0", 3: "1" };
