/**
 * `publish`: raises the same event in other topics. It runs on every owner of the topic; equal events from several
 * owners are one event again. A hop count ends cycles.
 */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { optionsSchema, textsOption } from "#alert/options.ts";
import { SENT } from "#alert/outcome.ts";
import { PUBLISH_HOPS_MAX } from "./limits.ts";

const options = optionsSchema({
  topics: textsOption("Topics in which the event is raised again."),
});

export const publish = defineHandler<Static<typeof options>>({
  kind: "publish",
  goType: "*alert.PublishHandlerConfig",
  doc: "Raises the event in other topics.",
  options,
  external: false,
  open: ({ topics = [] }, services) => ({
    async send({ event }) {
      const hops = event.hops + 1;
      if (hops > PUBLISH_HOPS_MAX) {
        return {
          kind: "rejected",
          error: `event passed ${PUBLISH_HOPS_MAX} publish handlers; the topics publish in a circle`,
        };
      }
      for (const topic of topics) services.publish({ ...event, topic, hops });
      return SENT;
    },
  }),
});
