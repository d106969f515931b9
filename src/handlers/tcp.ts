/**
 * `tcp`: one connection per event, its JSON and an empty line, then close. Nothing is read back, so success is
 * that the receiver's machine took all bytes.
 */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { strings } from "#engine/calls.ts";
import { withEventJson } from "./event-json.ts";
import { hostAndPort, sendTcp } from "./tcp-sender.ts";
import { defined } from "./tick-options.ts";

const options = optionsSchema({ address: textOption("host:port of the receiver.") });

export const tcp = defineHandler<Static<typeof options>>({
  kind: "tcp",
  goType: "*alert.TCPHandlerConfig",
  doc: "Sends the event as JSON over a TCP connection of its own.",
  options,
  external: true,
  tick: {
    property: {
      name: "tcp",
      params: ["string"],
      doc: "Sends events over TCP.",
      opens: { goType: "*pipeline.TcpHandler", properties: [] },
    },
    optionsOf: (call) => defined({ address: strings(call.args)[0] }),
  },
  check: ({ address = "" }) =>
    hostAndPort(address) === undefined
      ? `invalid TCP address ${JSON.stringify(address)}`
      : undefined,
  open: ({ address = "" }, services) => ({
    send: (delivery, signal) =>
      withEventJson(delivery, (json) => sendTcp(services, { address, data: `${json}\n` }, signal)),
  }),
});
