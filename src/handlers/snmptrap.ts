/**
 * `snmptrap`: an SNMP v2c trap whose values are templates.
 *
 * The types are those of the original: c Counter64, i Integer32, n Null, s OctetString, t TimeTicks. Scripts are
 * refused when they name another one; topic handlers only when they send.
 */

import { type Static, Type } from "@sinclair/typebox";
import { type Delivery, defineHandler } from "#alert/handler.ts";
import { listOption, optionsSchema, textOption } from "#alert/options.ts";
import { parseOid, sendTrap, type TrapVariable } from "#clients/snmp.ts";
import { Calls, strings } from "#engine/calls.ts";
import { method } from "#engine/properties.ts";
import type { Template } from "#template/template.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { clientOutcome } from "./client-outcome.ts";
import {
  optionTemplate,
  rejectingTemplateErrors,
  renderOption,
  templateProblem,
} from "./option-template.ts";
import { enabledSection, NOT_ENABLED, type SectionReader } from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { hostAndPort } from "./tcp-sender.ts";
import { defined } from "./tick-options.ts";

const datum = Type.Object({
  oid: textOption("Object identifier."),
  type: textOption("c, i, n, s or t."),
  value: textOption("Value; a template."),
});

const options = optionsSchema({
  "trap-oid": textOption("Object identifier of the trap."),
  "data-list": listOption("Variables of the trap.", datum),
});

/** `sysUpTime` of every trap, as the original sends it; hundredths of a second. */
const UP_TIME = 1_000;

/** Repetitions of one datagram, whatever the configuration says. */
const RETRIES_MAX = 10;

const TYPES = "cinst";

export const snmptrap = defineHandler<Static<typeof options>>({
  kind: "snmptrap",
  doc: "Sends the event as SNMP trap.",
  options,
  external: true,
  test: {
    options: () => ({
      "trap-oid": "1.1.1.1",
      "data-list": [{ oid: "1.1.1.1.2", type: "s", value: "test snmptrap message" }],
    }),
    run: sendsEvent((given) => ({
      options: {
        "trap-oid": given.text("trap-oid"),
        "data-list": given.tables("data-list").map((item) => ({
          ...{ oid: item.text("oid"), type: item.text("type"), value: item.text("value") },
        })),
      },
      event: {},
    })),
  },
  tick: {
    property: {
      ...{ name: "snmpTrap", params: ["string"], doc: "Sends events as SNMP traps." },
      opens: {
        goType: "*pipeline.SNMPTrapHandler",
        properties: [
          method("data", ["string", "string", "string"], "Adds a variable: OID, type, value."),
        ],
      },
    },
    optionsOf: inlineOptions,
  },
  check({ "data-list": data = [] }) {
    for (const { value } of data) {
      const problem = templateProblem({ value });
      if (problem !== undefined) return problem;
    }
    return undefined;
  },
  open({ "trap-oid": trapOid = "", "data-list": data = [] }, services) {
    const parsed = data.map(({ oid = "", type = "", value = "" }) => ({
      ...{ oid, type, value: optionTemplate("value", value) },
    }));
    return {
      send: (delivery, signal) =>
        rejectingTemplateErrors(async () => {
          const section = enabledSection(services, "snmptrap");
          if (section === undefined) return NOT_ENABLED;
          const built = buildTrap(trapOid, parsed, delivery);
          if ("error" in built) return { kind: "rejected", error: `snmptrap: ${built.error}` };
          const target = targetOf(section);
          if (target === undefined) {
            const error = `snmptrap: invalid addr ${JSON.stringify(section.text("addr"))}`;
            return { kind: "rejected", error };
          }
          return clientOutcome({ service: "snmptrap", signal, secrets: [target.community] }, () =>
            sendTrap(target, built, signal),
          );
        }),
    };
  },
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const data = new Calls(call.calls).all("data").map((args) => {
    const [oid = "", type = "", value = ""] = strings(args);
    if (!isType(type)) {
      throw new Error(`invalid SNMP data type ${JSON.stringify(type)}: it must be c, i, n, s or t`);
    }
    return { oid, type, value };
  });
  return defined({
    "trap-oid": strings(call.args)[0],
    "data-list": data.length === 0 ? undefined : data,
  });
}

function isType(type: string): boolean {
  return type.length === 1 && TYPES.includes(type);
}

function targetOf(section: SectionReader) {
  const address = hostAndPort(section.text("addr"));
  if (address === undefined) return undefined;
  const retries = Math.min(section.number("retries"), RETRIES_MAX);
  return { ...address, community: section.text("community"), retries };
}

interface Datum {
  readonly oid: string;
  readonly type: string;
  readonly value: Template;
}

type Refused = { readonly error: string };

function buildTrap(trapOid: string, data: readonly Datum[], delivery: Delivery) {
  const oid = parseOid(trapOid);
  if (oid === undefined) return { error: `invalid trap OID ${JSON.stringify(trapOid)}` };
  const variables: TrapVariable[] = [];
  for (const { oid: name, type, value } of data) {
    const variable = variableOf(name, type, renderOption(value, delivery));
    if ("error" in variable) return variable;
    variables.push(variable);
  }
  return { upTime: UP_TIME, oid, variables };
}

function variableOf(name: string, type: string, text: string): TrapVariable | Refused {
  const oid = parseOid(name);
  if (oid === undefined) return { error: `invalid OID ${JSON.stringify(name)}` };
  const number = /^[+-]?\d{1,20}$/.test(text.trim())
    ? BigInt(text.trim().replace("+", ""))
    : undefined;
  const within = (min: bigint, max: bigint): number | undefined =>
    number !== undefined && number >= min && number <= max ? Number(number) : undefined;
  const wrong = { error: `invalid value ${JSON.stringify(text)} of type ${type} for OID ${oid}` };
  switch (type) {
    case "c":
      if (number === undefined || within(0n, 0xffff_ffff_ffff_ffffn) === undefined) return wrong;
      return { oid, type: "counter64", value: number };
    case "i": {
      const value = within(-0x8000_0000n, 0x7fff_ffffn);
      return value === undefined ? wrong : { oid, type: "integer", value };
    }
    case "n":
      return { oid, type: "null" };
    case "s":
      return { oid, type: "octets", value: text };
    case "t": {
      const value = within(0n, 0xffff_ffffn);
      return value === undefined ? wrong : { oid, type: "ticks", value };
    }
    default:
      return { error: `unknown SNMP data type ${JSON.stringify(type)} for OID ${oid}` };
  }
}
