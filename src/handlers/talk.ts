/** `talk`: a JianLiao message. It has no options; whatever is given is ignored. */

import { defineHandler } from "#alert/handler.ts";
import { IGNORED_OPTIONS } from "#alert/options.ts";
import { JSON_HEADERS } from "./http-sender.ts";
import { sendsEvent } from "./self-test.ts";
import { serviceHandler, sortedJsonBody } from "./service-handler.ts";
import { handlerProperty } from "./tick-options.ts";

export const talk = defineHandler<unknown>({
  kind: "talk",
  doc: "Posts the message to Talk.",
  options: IGNORED_OPTIONS,
  external: true,
  test: {
    options: () => ({ title: "testTitle", text: "test talk text" }),
    run: sendsEvent((given) => ({
      event: { id: given.text("title"), message: given.text("text") },
    })),
  },
  tick: {
    property: handlerProperty("talk", "*pipeline.TalkHandler", "Sends events to Talk.", []),
    optionsOf: () => ({}),
  },
  open: (_given, services) =>
    serviceHandler(services, "talk", (section, { event }) => ({
      service: "Talk",
      accepts: [200],
      url: section.text("url"),
      headers: JSON_HEADERS,
      body: sortedJsonBody({
        authorName: section.text("author_name"),
        text: event.message,
        title: event.id,
      }),
    })),
});
