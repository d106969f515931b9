/** Handler sections of chat rooms and messengers. */

import { duration, flag, text, type ValuesOf } from "../field.ts";
import { defineListSection, defineSection } from "../section.ts";
import {
  firstProblem,
  globalField,
  keyPairProblem,
  stateChangesOnlyField,
  tlsClientFields,
} from "./shared.ts";

interface Workspace {
  readonly enabled: boolean;
  readonly default: boolean;
  readonly workspace: string;
  readonly url: string;
  readonly token?: string;
  readonly global: boolean;
  readonly "state-changes-only": boolean;
  readonly "ssl-cert": string;
  readonly "ssl-key": string;
}

/** The rules of sections with one default workspace among several. */
function workspaceProblem(
  section: string,
  title: string,
  elements: readonly Workspace[],
): string | undefined {
  const several = elements.length > 1;
  if (several && !elements.some((element) => element.default))
    return `${section}: at least one ${title} config must be set as default`;
  if (elements.filter((element) => element.default).length > 1)
    return `${section}: only one ${title} config may be set as default`;
  return firstProblem(elements, (element) => {
    const problem = elementProblem(element, several);
    return problem === undefined ? undefined : `${section}: ${problem}`;
  });
}

function elementProblem(element: Workspace, several: boolean): string | undefined {
  if (several && element.workspace === "") return "must specify workspace";
  if (element.enabled && element.url === "" && (element.token ?? "") === "")
    return "must specify url";
  if (element.url !== "" && URL.parse(element.url) === null)
    return `invalid url ${JSON.stringify(element.url)}`;
  if (element.global && !element.default) return "global may be set only on the default";
  if (element["state-changes-only"] && !(element.default && element.global))
    return "state-changes-only may be set only on the default, with global";
  return keyPairProblem(element);
}

export const discord = defineListSection({
  name: "discord",
  doc: "Discord webhooks.",
  list: { key: "workspace", lone: true },
  overridable: true,
  fields: {
    enabled: flag(),
    default: flag(true),
    workspace: text(),
    url: text(),
    timestamp: flag(),
    username: text(),
    "avatar-url": text(),
    "embed-title": text(),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
    ...tlsClientFields,
  },
  validate: (elements) => workspaceProblem("discord", "Discord", elements),
});

export const hipchat = defineSection({
  name: "hipchat",
  doc: "HipChat rooms.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text(),
    token: text("", { redacted: true }),
    room: text(),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
  },
  validate: ([element]) =>
    element?.enabled === true && element.url === "" ? "hipchat: must specify url" : undefined,
});

const slackFields = {
  enabled: flag(),
  default: flag(true),
  workspace: text(),
  url: text("", { redacted: true }),
  token: text("", { redacted: true }),
  channel: text(),
  username: text("kapacitor"),
  "icon-emoji": text(),
  global: globalField(),
  "state-changes-only": stateChangesOnlyField(),
  ...tlsClientFields,
};

export type SlackConfig = ValuesOf<typeof slackFields>;

export const slack = defineListSection({
  name: "slack",
  doc: "Slack webhooks and apps.",
  list: { key: "workspace", lone: true },
  overridable: true,
  fields: slackFields,
  validate: (elements) => workspaceProblem("slack", "Slack", elements),
});

export const talk = defineSection({
  name: "talk",
  doc: "Talk rooms.",
  overridable: true,
  fields: { enabled: flag(), url: text("", { redacted: true }), author_name: text() },
  validate: ([element]) =>
    element?.enabled === true && element.url === "" ? "talk: must specify url" : undefined,
});

export const teams = defineSection({
  name: "teams",
  doc: "Microsoft Teams channels.",
  overridable: true,
  fields: {
    enabled: flag(),
    "channel-url": text(),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
  },
  validate: ([element]) =>
    element?.enabled === true && element["channel-url"] === ""
      ? "teams: must specify channel-url"
      : undefined,
});

export const telegram = defineSection({
  name: "telegram",
  doc: "Telegram bots.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text("https://api.telegram.org/bot"),
    token: text("", { redacted: true }),
    "chat-id": text(),
    "parse-mode": text(),
    "disable-web-page-preview": flag(),
    "disable-notification": flag(),
    global: globalField(),
    "state-changes-only": stateChangesOnlyField(),
  },
  validate([element]) {
    if (element?.enabled !== true) return undefined;
    if (element.url === "") return "telegram: must specify url";
    return element.token === "" ? "telegram: must specify token" : undefined;
  },
});

export const alerta = defineSection({
  name: "alerta",
  doc: "Alerta.",
  overridable: true,
  fields: {
    enabled: flag(),
    url: text(),
    "insecure-skip-verify": flag(),
    token: text("", { redacted: true }),
    "token-prefix": text("", { doc: "Empty = Bearer." }),
    environment: text(),
    origin: text(),
    timeout: duration(0, { doc: "When an alert expires; 0 = 24 h." }),
  },
  validate: ([element]) =>
    element?.enabled === true && element.url === "" ? "alerta: must specify url" : undefined,
});
