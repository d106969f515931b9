/** `telegram`: a bot's message to a chat. */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { flagOption, optionsSchema, textOption } from "#alert/options.ts";
import { Calls } from "#engine/calls.ts";
import { flag } from "#engine/properties.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sectionElements } from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { firstText, serviceHandler, sortedJsonBody } from "./service-handler.ts";
import {
  defined,
  handlerProperty,
  type TextProperties,
  textOptions,
  textProperties,
} from "./tick-options.ts";

const options = optionsSchema({
  "chat-id": textOption("Chat; default the section's."),
  "parse-mode": textOption("Markdown or HTML; default the section's."),
  "disable-web-page-preview": flagOption("Shows no preview of links."),
  "disable-notification": flagOption("Delivers silently."),
});

const PROPERTIES: TextProperties = {
  chatId: ["chat-id", "Chat."],
  parseMode: ["parse-mode", "Markdown or HTML."],
};

export const telegram = defineHandler<Static<typeof options>>({
  kind: "telegram",
  doc: "Sends the message to a Telegram chat.",
  options,
  external: true,
  test: {
    options: (services) => {
      const [section] = sectionElements(services, "telegram");
      return {
        "chat-id": section?.text("chat-id") ?? "",
        "parse-mode": section?.text("parse-mode") ?? "",
        message: "test telegram message",
        "disable-web-page-preview": section?.flag("disable-web-page-preview") ?? false,
        "disable-notification": section?.flag("disable-notification") ?? false,
      };
    },
    run: sendsEvent((given) => ({
      options: {
        "chat-id": given.text("chat-id"),
        "parse-mode": given.text("parse-mode"),
        "disable-web-page-preview": given.flag("disable-web-page-preview"),
        "disable-notification": given.flag("disable-notification"),
      },
      event: { message: given.text("message") },
    })),
  },
  globalSection: "telegram",
  tick: {
    property: handlerProperty(
      "telegram",
      "*pipeline.TelegramHandler",
      "Sends events to Telegram.",
      [
        ...textProperties(PROPERTIES),
        flag("disableWebPagePreview", "Shows no preview of links."),
        flag("disableNotification", "Delivers silently."),
      ],
    ),
    optionsOf(call) {
      const calls = new Calls(call.calls);
      return {
        ...textOptions(call, PROPERTIES),
        ...defined({
          "disable-web-page-preview": calls.flag("disableWebPagePreview") || undefined,
          "disable-notification": calls.flag("disableNotification") || undefined,
        }),
      };
    },
  },
  check: (given) => parseModeProblem(given["parse-mode"] ?? ""),
  open: (given, services) =>
    serviceHandler(services, "telegram", (section, { event }) => {
      const mode = firstText(given["parse-mode"], section.text("parse-mode"));
      const problem = parseModeProblem(mode);
      if (problem !== undefined) return { kind: "rejected", error: problem };
      const token = section.text("token");
      const either = (
        key: "disable-web-page-preview" | "disable-notification",
      ): true | undefined => (given[key] === true || section.flag(key) ? true : undefined);
      return {
        service: "Telegram",
        accepts: [200],
        url: `${section.text("url")}${token}/sendMessage`,
        headers: JSON_HEADERS,
        body: sortedJsonBody({
          chat_id: firstText(given["chat-id"], section.text("chat-id")),
          disable_notification: either("disable-notification"),
          disable_web_page_preview: either("disable-web-page-preview"),
          parse_mode: mode === "" ? undefined : properMode(mode),
          text: event.message,
        }),
        secrets: [token],
      };
    }),
});

function properMode(mode: string): string {
  return mode.toLowerCase() === "html" ? "HTML" : "Markdown";
}

function parseModeProblem(mode: string): string | undefined {
  return mode === "" || /^(markdown|html)$/i.test(mode)
    ? undefined
    : `parseMode ${mode} is not valid, please use 'Markdown' or 'HTML'`;
}
