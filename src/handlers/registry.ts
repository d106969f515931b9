/** All handler kinds, sorted by name. A new kind is a file and a line here. */

import type { HandlerKind } from "#alert/handler.ts";
import { aggregate } from "./aggregate.ts";
import { alerta } from "./alerta.ts";
import { bigpanda } from "./bigpanda.ts";
import { discord } from "./discord.ts";
import { exec } from "./exec.ts";
import { hipchat } from "./hipchat.ts";
import { kafka } from "./kafka.ts";
import { log } from "./log.ts";
import { mqtt } from "./mqtt.ts";
import { opsgenie } from "./opsgenie.ts";
import { opsgenie2 } from "./opsgenie2.ts";
import { pagerduty } from "./pagerduty.ts";
import { pagerduty2 } from "./pagerduty2.ts";
import { post } from "./post.ts";
import { publish } from "./publish.ts";
import { pushover } from "./pushover.ts";
import { sensu } from "./sensu.ts";
import { servicenow } from "./servicenow.ts";
import { slack } from "./slack.ts";
import { smtp } from "./smtp.ts";
import { snmptrap } from "./snmptrap.ts";
import { talk } from "./talk.ts";
import { tcp } from "./tcp.ts";
import { teams } from "./teams.ts";
import { telegram } from "./telegram.ts";
import { victorops } from "./victorops.ts";
import { zenoss } from "./zenoss.ts";

export const HANDLER_KINDS: readonly HandlerKind[] = [
  aggregate,
  alerta,
  bigpanda,
  discord,
  exec,
  hipchat,
  kafka,
  log,
  mqtt,
  opsgenie,
  opsgenie2,
  pagerduty,
  pagerduty2,
  post,
  publish,
  pushover,
  sensu,
  servicenow,
  slack,
  smtp,
  snmptrap,
  talk,
  tcp,
  teams,
  telegram,
  victorops,
  zenoss,
];
