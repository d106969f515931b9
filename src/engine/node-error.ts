/**
 * A node that cannot go on.
 *
 * Whose fault: the script's or the data's (or a bug of ours, see `cause`). The task is stopped; state of other
 * tasks is untouched; retrying the same input fails again. Errors of single points are not this: they are
 * counted, logged and the point is dropped (`NodeContext.error`).
 */
export class NodeError extends Error {
  override name = "NodeError";
  /** Name of the node, e.g. `combine4`. */
  readonly node: string;

  constructor(node: string, cause: unknown) {
    super(`${node}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.node = node;
  }
}
