/**
 * How a send to the world ended.
 *
 * `sent`: the receiver said yes. `retry`: it may work later (connection error, 429, 5xx, timeout); `afterMs` is
 * the receiver's own wish (Retry-After). `rejected`: it will never work with this event and configuration.
 * Error texts never contain secrets.
 */
export type Outcome =
  | { readonly kind: "sent" }
  | { readonly kind: "retry"; readonly error: string; readonly afterMs?: number }
  | { readonly kind: "rejected"; readonly error: string };

export const SENT: Outcome = { kind: "sent" };
