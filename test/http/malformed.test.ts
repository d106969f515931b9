import { afterAll, describe, expect, test } from "bun:test";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { fakeServices } from "./fake-services.ts";
import rows from "./malformed.json";

/** Bad bodies over a real socket: each gets its named error, and the server answers the next request. */

interface Row {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  readonly base64?: string;
  readonly status: number;
  /** The error's text, or how it begins. */
  readonly error: string;
}

const services = fakeServices();
const server = listen(createApp(services), { host: "127.0.0.1", port: 0 });
const base = `http://127.0.0.1:${server.port}`;

afterAll(() => server.close(0, () => Promise.resolve()));

describe("malformed bodies", () => {
  const table: readonly Row[] = rows;

  test("there are at least fifty", () => {
    expect(table.length).toBeGreaterThanOrEqual(50);
  });

  test.each(table.map((row) => [`${row.path}: ${row.title}`, row] as const))(
    "%s",
    async (_, row) => {
      const body = row.base64 === undefined ? (row.body ?? "") : Buffer.from(row.base64, "base64");
      const answer = await fetch(base + row.path, {
        method: row.method,
        body,
        ...(row.headers === undefined ? {} : { headers: row.headers }),
      });
      const text = await answer.text();
      const error = row.path.startsWith("/write") ? text : JSON.parse(text).error;
      expect(error.slice(0, row.error.length)).toBe(row.error);
      expect(answer.status).toBe(row.status);

      const alive = await fetch(`${base}/kapacitor/v1/ping`);
      expect(alive.status).toBe(204);
    },
  );

  test("none of them left anything behind", () => {
    expect(services.engine.written).toEqual([]);
    expect(services.tasks.counts()).toEqual({ tasks: 0, enabled: 0 });
    expect(services.handlers.specs.size).toBe(0);
  });
});
