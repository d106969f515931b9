/** `/ping`: is the server there, and which version is it? The version is in the common headers. */

import { answerNothing } from "../answer.ts";
import { defineResource } from "../route.ts";

export const ping = defineResource({
  name: "ping",
  doc: "Liveness. Clients read X-Kapacitor-Version.",
  routes: [
    {
      method: "GET",
      path: "/ping",
      summary: "Answers when the server is up.",
      answers: { 204: "up" },
      answer: () => answerNothing(),
    },
    {
      method: "HEAD",
      path: "/ping",
      summary: "The same without a body.",
      answers: { 204: "up" },
      answer: () => answerNothing(),
    },
  ],
});
