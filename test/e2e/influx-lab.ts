/** What end-to-end tests with an InfluxDB share: it, members beside it, their tasks and counters. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Influxd, startInfluxd } from "#test/support/influxd.ts";
import { Member, mustRun, until } from "../../scripts/lab.ts";

/** Undone by `cleanUp`, last first. */
export const undo: (() => unknown)[] = [];

export async function cleanUp(): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step();
}

export async function openInfluxd(): Promise<Influxd> {
  const influx = await startInfluxd();
  undo.push(() => influx.close());
  return influx;
}

export function openDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "kapacitor-influxdb-"));
  undo.push(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export async function openMember(directory: string, host: string, influxUrl: string, config = "") {
  const name = `member-${host}`;
  const member = await Member.create({
    name,
    host,
    directory: join(directory, name),
    influxUrl,
    config,
  });
  undo.push(() => member.kill("SIGKILL"));
  return member;
}

/** `db.rp name destinations` of all subscriptions, sorted. */
export async function subscriptions(influx: Influxd): Promise<readonly string[]> {
  const { results } = await influx.query("SHOW SUBSCRIPTIONS");
  return (results[0]?.series ?? [])
    .flatMap(({ name, values }) =>
      values.map(([rp, sub, , to]) => `${name}.${rp} ${sub} ${JSON.stringify(to)}`),
    )
    .filter((row) => !row.startsWith("_internal."))
    .sort();
}

export async function subscribed(influx: Influxd, db: string, members: readonly Member[]) {
  await until(`a subscription on ${db} for each member`, 20_000, async () => {
    const rows = await subscriptions(influx);
    return members.every(({ host, apiPort }) =>
      rows.some((row) => row.startsWith(`${db}.`) && row.includes(`//${host}:${apiPort}"`)),
    );
  });
}

export interface Statistic {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, number>>;
}

export async function statistics(member: Member, name: string): Promise<readonly Statistic[]> {
  const answer = await fetch(`${member.url}/kapacitor/v1/debug/vars`);
  const vars = (await answer.json()) as { kapacitor: Record<string, Statistic> };
  return Object.values(vars.kapacitor).filter((statistic) => statistic.name === name);
}

/** Points of a database that a member has taken in. */
export async function received(member: Member, db: string): Promise<number> {
  const ingress = await statistics(member, "ingress");
  return ingress
    .filter(({ tags }) => tags["database"] === db)
    .reduce((sum, { values }) => sum + (values["points_received"] ?? 0), 0);
}

export function define(member: Member, directory: string, id: string, script: string): void {
  const path = join(directory, `${id}.tick`);
  writeFileSync(path, script);
  mustRun("kapacitor", "-url", member.url, "define", id, "-tick", path);
  mustRun("kapacitor", "-url", member.url, "enable", id);
}

export interface Row {
  readonly tags?: Readonly<Record<string, string>>;
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];
}

/** What a task's `httpOut('out')` shows. */
export async function shown(member: Member, task: string): Promise<readonly Row[]> {
  const answer = await fetch(`${member.url}/kapacitor/v1/tasks/${task}/out`);
  const { series } = (await answer.json()) as { series?: readonly Row[] };
  return series ?? [];
}
