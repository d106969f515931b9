/**
 * The receivers of `alert-soak.ts`, in a process of their own: ten local HTTP servers that count what arrives, in
 * which order, and how long after its evaluation. Number 8 never answers, number 9 answers 500 half of the time.
 */

export const HANDLERS = 10;
export const HUNG = 8;
export const FLAKY = 9;

/** What one receiver saw. */
export interface Report {
  readonly handler: number;
  readonly requests: number;
  readonly accepted: number;
  /** Events that came twice, and those that came after a newer one of their ID. */
  readonly repeated: number;
  readonly disordered: number;
  /** Milliseconds from evaluation to arrival. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export const wallMs = (): number => performance.timeOrigin + performance.now();

class Receiver {
  readonly #handler: number;
  readonly #last = new Map<string, number>();
  readonly #latencies: number[] = [];
  readonly server;
  #requests = 0;
  #accepted = 0;
  #repeated = 0;
  #disordered = 0;

  constructor(handler: number) {
    this.#handler = handler;
    this.server = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0, idleTimeout: 0 },
      fetch: (request) => this.#answer(request),
    });
  }

  async #answer(request: Request): Promise<Response> {
    if (request.method === "GET") return Response.json(this.#report());
    const arrived = wallMs();
    this.#requests++;
    const { id, message } = (await request.json()) as { id: string; message: string };
    if (this.#handler === HUNG) return new Promise(() => {});
    if (this.#handler === FLAKY && this.#requests % 2 === 0)
      return new Response("", { status: 500 });
    const [sequence = 0, evaluated = 0] = message.split(" ").map(Number);
    const last = this.#last.get(id) ?? 0;
    if (sequence === last) this.#repeated++;
    else if (sequence < last) this.#disordered++;
    else this.#last.set(id, sequence);
    this.#accepted++;
    this.#latencies.push(arrived - evaluated);
    return new Response("");
  }

  #report(): Report {
    const sorted = Float64Array.from(this.#latencies).sort();
    const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
    return {
      handler: this.#handler,
      requests: this.#requests,
      accepted: this.#accepted,
      repeated: this.#repeated,
      disordered: this.#disordered,
      ...{ p50: at(0.5), p99: at(0.99), max: at(1) },
    };
  }
}

if (import.meta.main) {
  const receivers = Array.from({ length: HANDLERS }, (_, handler) => new Receiver(handler));
  console.log(JSON.stringify(receivers.map(({ server }) => server.url.href)));
}
