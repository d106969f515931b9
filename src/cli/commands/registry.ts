/** Every command of the client, in the order in which help lists them. Source: cli §1. */

import type { Command } from "../command.ts";
import { alert } from "./alert.ts";
import { backup } from "./backup.ts";
import { completeId } from "./complete-id.ts";
import { completion } from "./completion.ts";
import { define } from "./define.ts";
import { defineTemplate } from "./define-template.ts";
import { defineTopicHandler } from "./define-topic-handler.ts";
import { deleteCommand } from "./delete.ts";
import { disable } from "./disable.ts";
import { doctor } from "./doctor.ts";
import { enable } from "./enable.ts";
import { fmt } from "./fmt.ts";
import { installLinks } from "./install-links.ts";
import { level } from "./level.ts";
import { list } from "./list.ts";
import { logs } from "./logs.ts";
import { member } from "./member.ts";
import { recordCommand } from "./record.ts";
import { reload } from "./reload.ts";
import { replay } from "./replay.ts";
import { replayLive } from "./replay-live.ts";
import { serviceTests } from "./service-tests.ts";
import { show } from "./show.ts";
import { showTemplate } from "./show-template.ts";
import { showTopic } from "./show-topic.ts";
import { showTopicHandler } from "./show-topic-handler.ts";
import { silence } from "./silence.ts";
import { stats } from "./stats.ts";
import { test } from "./test.ts";
import { user } from "./user.ts";
import { vars } from "./vars.ts";
import { version } from "./version.ts";
import { vet } from "./vet.ts";
import { watch } from "./watch.ts";

export const COMMANDS: readonly Command[] = [
  recordCommand,
  define,
  defineTemplate,
  defineTopicHandler,
  replay,
  replayLive,
  watch,
  logs,
  enable,
  disable,
  reload,
  deleteCommand,
  list,
  show,
  showTemplate,
  showTopicHandler,
  showTopic,
  backup,
  level,
  stats,
  version,
  vars,
  serviceTests,
  member,
  user,
  alert,
  silence,
  doctor,
  fmt,
  vet,
  test,
  completion,
  installLinks,
  completeId,
];
