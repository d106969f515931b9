/**
 * Who was taken out of the cluster: the difference between one view of the members and the next.
 *
 * A member leaves the list only when an operator removed it; dead ones and those that left stay in it. When the
 * cluster ID changes it is this member that went elsewhere, and nobody left.
 */

import type { ClusterView, Membership } from "#cluster/ports.ts";

/** Calls `departed` once with the server ID of every member that is removed from now on. */
export function onDeparture(
  membership: Pick<Membership, "view" | "onChange">,
  departed: (serverId: string) => void,
): void {
  let before: ClusterView = membership.view();
  membership.onChange((now) => {
    const earlier = before;
    before = now;
    if (earlier.clusterId !== now.clusterId) return;
    const here = new Set(now.members.map(({ id }) => id));
    for (const { id } of earlier.members) {
      if (!here.has(id) && id !== now.localId) departed(id);
    }
  });
}
