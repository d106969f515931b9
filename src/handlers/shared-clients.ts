/**
 * Clients that all handlers of a kind share: one connection per mail server, broker or cluster, however many handlers
 * name it. Not an entry of the registry.
 *
 * A client belongs to an element of the configuration. When its settings were changed, the next send makes a new one
 * and the old one takes leave after what it has under way. The last handler's end closes them all.
 */

import type { HandlerServices } from "#alert/handler.ts";
import type { Clock } from "#lib/clock.ts";

interface Closable {
  /** Ends when nothing is under way; never throws. */
  close(): Promise<void>;
}

interface Held<C> {
  readonly settings: string;
  readonly client: C;
}

interface Pool<C> {
  handlers: number;
  readonly clients: Map<string, Held<C>>;
}

/** What one handler holds of the shared clients. */
export interface ClientLease<Settings, C> {
  /** The client of a configuration element with these settings. Throws after `close`. */
  client(element: string, settings: Settings): C;
  close(): Promise<void>;
}

export class SharedClients<Settings, C extends Closable> {
  readonly #make: (settings: Settings, clock: Clock) => C;
  /** By configuration: handlers of one daemon see the same one, those of another daemon in this process do not. */
  readonly #pools = new WeakMap<HandlerServices["section"], Pool<C>>();

  constructor(make: (settings: Settings, clock: Clock) => C) {
    this.#make = make;
  }

  lease({ section, clock }: HandlerServices): ClientLease<Settings, C> {
    const pool = this.#pools.get(section) ?? { handlers: 0, clients: new Map<string, Held<C>>() };
    this.#pools.set(section, pool);
    pool.handlers++;
    let open = true;
    return {
      client: (element, settings) => {
        if (!open) throw new Error("the handler was closed");
        return this.#client(pool, element, settings, clock);
      },
      close: async () => {
        if (!open) return;
        open = false;
        pool.handlers--;
        if (pool.handlers > 0) return;
        const clients = [...pool.clients.values()];
        pool.clients.clear();
        await Promise.all(clients.map(({ client }) => client.close()));
      },
    };
  }

  #client(pool: Pool<C>, element: string, settings: Settings, clock: Clock): C {
    const text = JSON.stringify(settings);
    const held = pool.clients.get(element);
    if (held?.settings === text) return held.client;
    const client = this.#make(settings, clock);
    pool.clients.set(element, { settings: text, client });
    void held?.client.close();
    return client;
  }
}
