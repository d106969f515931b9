/** An `AlertPort` that remembers what was published and answers from it. */

import { type AlertEvent, type EventState, stateOf } from "#alert/event.ts";
import type { AlertPort, GlobalHandlers } from "#engine/ports.ts";
import type { PropertyCall } from "#tick/environment.ts";

export class FakeAlerts implements AlertPort {
  readonly events: AlertEvent[] = [];
  readonly scopes: ("cluster" | "local")[] = [];
  /** Inline handlers of open topics. */
  readonly inline = new Map<string, readonly PropertyCall[]>();
  /** Last states by topic and ID; tests may put some in. */
  readonly states = new Map<string, EventState>();
  /** Resolves `settled`; replace it to hold answers back. */
  safe: Promise<void> = Promise.resolve();

  publish(event: AlertEvent, scope: "cluster" | "local"): void {
    this.events.push(event);
    this.scopes.push(scope);
    this.states.set(`${event.topic}\n${event.id}`, stateOf(event));
  }

  isBlank(topic: string): boolean {
    return ![...this.states.keys()].some((key) => key.startsWith(`${topic}\n`));
  }

  lastState(topic: string, id: string): EventState | undefined {
    return this.states.get(`${topic}\n${id}`);
  }

  openInline(topic: string, handlers: readonly PropertyCall[]): void {
    this.inline.set(topic, handlers);
  }

  /** What `globals` answers. */
  global: GlobalHandlers = { kinds: [], stateChangesOnly: false };

  globals(): GlobalHandlers {
    return this.global;
  }

  remember(topic: string, state: EventState): void {
    this.states.set(`${topic}\n${state.id}`, state);
  }

  closeInline(topic: string): void {
    this.inline.delete(topic);
  }

  settled(): Promise<void> {
    return this.safe;
  }
}
